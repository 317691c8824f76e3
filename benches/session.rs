//! A browser's session with the real binary.

use std::sync::Arc;

use reqwest::{
    Client, Url,
    cookie::{CookieStore as _, Jar},
};

use crate::seed::PASSWORD;

/// A signed-in browser.
pub struct Session {
    client: Client,
    jar: Arc<Jar>,
    origin: Url,
}

impl Session {
    /// Logs the administrator in.
    pub fn log_in(origin: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = Client::builder().cookie_provider(Arc::clone(&jar)).build().expect("a client");
        let session = Self { client, jar, origin: origin.parse().expect("an origin") };
        let page = String::from_utf8(session.get(&format!("{origin}/login"))).expect("a page");
        let token =
            page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
        let form = [("csrf", token), ("username", "root"), ("password", PASSWORD)];
        let answer = wait(async { session.client.post(format!("{origin}/login")).form(&form).send().await });
        assert!(!answer.expect("an answer").url().path().starts_with("/login"), "the administrator is logged in");
        session
    }

    /// The header `Cookie` of its requests.
    pub fn cookies(&self) -> String {
        let cookies = self.jar.cookies(&self.origin).expect("cookies");
        cookies.to_str().expect("readable cookies").to_owned()
    }

    /// A page, as it is.
    pub fn get(&self, url: &str) -> Vec<u8> {
        self.fetch(url, "identity")
    }

    /// A page, as it comes over the wire to a browser.
    pub fn get_compressed(&self, url: &str) -> Vec<u8> {
        self.fetch(url, "gzip")
    }

    fn fetch(&self, url: &str, encoding: &str) -> Vec<u8> {
        wait(async {
            let answer = self.client.get(url).header("accept-encoding", encoding).send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{url}");
            answer.bytes().await.expect("a whole answer").to_vec()
        })
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}
