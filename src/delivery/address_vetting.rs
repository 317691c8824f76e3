//! Which network addresses messages may go to: those of the public internet and no others.
//!
//! A host's name can lead anywhere, to this machine or into the operator's own network; these rules stand between the
//! name and the connection. Source: the IANA special-purpose address registries for IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks that are not the public internet, with the number of leading bits that count.
const NON_PUBLIC_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared by providers
    ([127, 0, 0, 0], 8),     // this machine
    ([169, 254, 0, 0], 16),  // link-local, where clouds keep their metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, and broadcast
];

/// IPv6 addresses are public only inside this block ...
const PUBLIC_V6_BLOCK: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// ... and outside these. What is translated to IPv4 on the way (64:ff9b::/96, 64:ff9b:1::/48) lies outside the block above.
const NON_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which holds an IPv4 address
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether this is an address of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        // An IPv4 address in the clothes of an IPv6 one is judged as what it is.
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NON_PUBLIC_V4.into_iter().any(|(block, bits)| {
        let differs = address.to_bits() ^ Ipv4Addr::from(block).to_bits();
        differs.leading_zeros() >= bits
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let is_within = |(block, bits): (Ipv6Addr, u32)| (address.to_bits() ^ block.to_bits()).leading_zeros() >= bits;
    is_within(PUBLIC_V6_BLOCK) && !NON_PUBLIC_V6.into_iter().any(is_within)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_all(public: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn public_addresses_pass_up_to_the_edges_of_the_special_blocks() {
        assert_all(
            true,
            &["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
        );
        assert_all(true, &["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0"]);
        assert_all(
            true,
            &["192.88.98.255", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"],
        );
        assert_all(true, &["2606:4700::1", "2400:3200::1", "2001:200::1", "2003::1", "::ffff:1.1.1.1"]);
    }

    #[test]
    fn this_machine_and_private_networks_are_refused() {
        assert_all(
            false,
            &["0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
        );
        assert_all(
            false,
            &["169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.192", "255.255.255.255", "224.0.0.1"],
        );
        assert_all(
            false,
            &["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "240.0.0.1"],
        );
        assert_all(
            false,
            &["::", "::1", "fe80::1", "febf:ffff::1", "fc00::1", "fd00:ec2::254", "feef::1", "ff02::2", "100::1"],
        );
        assert_all(false, &["2001:db8::1", "3fff::1", "3fff:fff::1", "5f00::1"]);
    }

    #[test]
    fn ipv4_addresses_inside_ipv6_ones_do_not_slip_through() {
        assert_all(false, &["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1"]);
        assert_all(false, &["64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:5ef5:79fd::1"]);
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_like_the_plain_one(bits in any::<u32>()) {
            let plain = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(is_public(plain.into()), is_public(plain.to_ipv6_mapped().into()));
        }
    }
}
