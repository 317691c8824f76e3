//! The signature of a form that a browser posts: who may sign knows the portal's key, and no field can be changed after.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded::byte_serialize;

/// The field that holds the signature, and is not signed.
pub const SIGNATURE: &str = "signature";

/// What is signed: all other fields, sorted by name and then value, each written by the WHATWG
/// application/x-www-form-urlencoded serializer, joined with `&`.
/// <https://url.spec.whatwg.org/#urlencoded-serializing>
#[must_use]
pub fn signed_text(fields: &[(String, String)]) -> String {
    let mut fields: Vec<_> = fields.iter().filter(|(name, _)| name != SIGNATURE).collect();
    fields.sort();
    let written = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pairs: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{}={}", written(name), written(value))).collect();
    pairs.join("&")
}

/// The signature of fields: HMAC-SHA256 with the bytes of the key's text, in lower-case hexadecimal.
#[must_use]
pub fn sign(fields: &[(String, String)], key: &str) -> String {
    hex::encode(mac(fields, key).finalize().into_bytes())
}

fn mac(fields: &[(String, String)], key: &str) -> Hmac<Sha256> {
    // A key longer than a block is hashed, a shorter one filled up with zeros (RFC 2104).
    let mut block = [0; 64];
    let hashed: [u8; 32];
    let key = if key.len() > block.len() {
        hashed = Sha256::digest(key.as_bytes()).into();
        &hashed[..]
    } else {
        key.as_bytes()
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(signed_text(fields).as_bytes());
    mac
}

/// Whether a signature is that of the fields, in lower case. The time it takes does not tell how much of it is right.
#[must_use]
pub fn is_signed(fields: &[(String, String)], signature: &str, key: &str) -> bool {
    let mut claimed = [0; 32];
    let is_written_so = signature.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_written_so
        && hex::decode_to_slice(signature, &mut claimed).is_ok()
        && mac(fields, key).verify_slice(&claimed).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "a-key-of-tests-that-is-known";

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn fields_are_sorted_by_name_and_then_value_and_written_as_the_standard_says() {
        let fields = fields(&[
            ("title", "磁盘 ~ full*-._"),
            ("signature", "not of these"),
            ("receivers", "wu"),
            ("nonce", "a&b=c"),
            ("receivers", "li"),
            ("content", "a\r\nb"),
        ]);
        let expected =
            "content=a%0D%0Ab&nonce=a%26b%3Dc&receivers=li&receivers=wu&title=%E7%A3%81%E7%9B%98+%7E+full*-._";
        assert_eq!(signed_text(&fields), expected);
    }

    #[test]
    fn a_known_signature_is_accepted_in_lower_case_alone() {
        // printf 'portal=1&title=a+b' | openssl dgst -sha256 -hmac a-key-of-tests-that-is-known
        let signature = "e56aacae3a2bf34cdc623d8f39edcc78a7f794158f9242633f811935eab3ae50";
        let fields = fields(&[("title", "a b"), ("portal", "1")]);
        assert!(is_signed(&fields, signature, KEY));
        assert!(!is_signed(&fields, &signature.to_uppercase(), KEY));
        assert!(!is_signed(&fields, signature, "another key"));
        for wrong in ["", "00", &signature[1..], &format!("{signature}00")] {
            assert!(!is_signed(&fields, wrong, KEY), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_change_of_a_field_keeps_the_signature(
            pairs in proptest::collection::vec((".{1,8}", ".{0,12}"), 1..6),
            at in any::<prop::sample::Index>(),
            other in ".{0,12}",
        ) {
            let pairs: Vec<(String, String)> = pairs.into_iter().filter(|(name, _)| name != SIGNATURE).collect();
            prop_assume!(!pairs.is_empty());
            let signature = sign(&pairs, KEY);
            prop_assert!(is_signed(&pairs, &signature, KEY));
            let mut changed = pairs.clone();
            let place = at.index(changed.len());
            prop_assume!(changed[place].1 != other);
            changed[place].1 = other;
            changed.sort();
            let mut before = pairs;
            before.sort();
            prop_assert_eq!(is_signed(&changed, &signature, KEY), changed == before);
        }
    }
}
