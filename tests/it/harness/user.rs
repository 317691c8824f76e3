//! A person with a browser: cookies, the token of the forms, no redirect followed by itself.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use reqwest::{Client, Method, Request, RequestBuilder, header, redirect::Policy};

use super::Answer;

/// The token of a session, without the mask that each page puts on it.
pub fn unmasked(token: &str) -> Vec<u8> {
    let bytes = hex::decode(token).expect("a token");
    let (mask, masked) = bytes.split_at(bytes.len() / 2);
    mask.iter().zip(masked).map(|(mask, byte)| mask ^ byte).collect()
}

/// A browser. A clone is a copy of its cookies: what a thief would have.
#[derive(Clone)]
pub struct User {
    origin: String,
    client: Client,
    /// The cookies by name.
    pub cookies: BTreeMap<String, String>,
    /// What it says in `Accept-Language`.
    pub language: &'static str,
}

impl User {
    pub fn new(origin: &str, address: Option<IpAddr>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(30))
            .local_address(address)
            .build()
            .expect("a client");
        Self { origin: origin.to_owned(), client, cookies: BTreeMap::new(), language: "en" }
    }

    /// The same browser, speaking to another origin of the same host.
    pub fn at(&self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self.clone() }
    }

    /// Posts a form with this token, which was read before.
    pub async fn post_with(&mut self, token: &str, path: &str, fields: &[(&str, &str)]) -> Result<u16, reqwest::Error> {
        let fields: Vec<(&str, &str)> = [("csrf", token)].iter().chain(fields).copied().collect();
        let response = self.request(Method::POST, path).form(&fields).send().await?;
        Ok(response.status().as_u16())
    }

    /// Asks for a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    /// Posts a form as a page of ours would: with the token of this browser's session.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token().await;
        let fields: Vec<(&str, &str)> = [("csrf", token.as_str())].iter().chain(fields).copied().collect();
        let request = self.request(Method::POST, path).form(&fields);
        self.send(request).await
    }

    /// Presses the button of a page that keeps a form: posts what it holds to where it says.
    pub async fn try_again(&mut self, page: &Answer) -> Answer {
        let to = page.attribute("main form[method=post]", "action").expect("a form on the page");
        let kept = page.attribute("main form input[type=hidden][name=kept]", "value").expect("a kept form");
        self.post_kept(&to, &kept).await
    }

    /// Posts a form that was kept in a page, as a browser would.
    pub async fn post_kept(&mut self, to: &str, kept: &str) -> Answer {
        let request = self.request(Method::POST, to).form(&[("kept", kept)]);
        let request = request.header("origin", &self.origin).header("sec-fetch-site", "same-origin");
        self.send(request).await
    }

    /// The token of this browser's forms. Every page has the form for the language, error pages too.
    pub async fn token(&mut self) -> String {
        let answer = self.get("/a-page-that-is-not-there").await;
        answer.attribute("input[name=csrf]", "value").expect("a token on the page")
    }

    /// Logs in through the page.
    pub async fn log_in(&mut self, username: &str, password: &str) -> Answer {
        self.post("/login", &[("username", username), ("password", password)]).await
    }

    /// Accepts the first invitation on the start page.
    pub async fn accept_invitation(&mut self) -> Answer {
        self.answer_invitation("accept").await
    }

    /// Accepts or declines the first invitation on the start page, as `accept` or `decline`.
    pub async fn answer_invitation(&mut self, answer: &str) -> Answer {
        let page = self.get("/").await.is(200);
        let form = format!("form[action='/invitations/{answer}'] input[name=invitation]");
        let invitation = page.attribute(&form, "value").expect("an invitation on the start page");
        let role = page.attribute("form[action='/invitations/accept'] input[name=role]", "value").expect("a role");
        self.post(&format!("/invitations/{answer}"), &[("invitation", &invitation), ("role", &role)]).await
    }

    /// A request with this browser's cookies, to be changed before it is sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, format!("{}{path}", self.origin));
        let request = request.header(header::ACCEPT_LANGUAGE, self.language);
        if cookies.is_empty() { request } else { request.header(header::COOKIE, cookies.join("; ")) }
    }

    /// Sends a request and keeps the cookies of the answer.
    pub async fn send(&mut self, request: RequestBuilder) -> Answer {
        self.execute(request.build().expect("a request")).await
    }

    /// The same for a request that is built already.
    pub async fn execute(&mut self, request: Request) -> Answer {
        let response = self.client.execute(request).await.expect("an answer");
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            self.keep(cookie.to_str().expect("a readable cookie"));
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.expect("a whole answer") }
    }

    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
