//! What can be wrong with a post, each with a type of its own, as RFC 9457 problem details or as a page.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, Accept, Header as _},
    },
    middleware::Next,
    web::Data,
};
use askama::Template;
use serde_json::json;

use crate::{
    error::Error,
    language::Language,
    members::Refused,
    web::{self, FieldErrors, Shared, wished_language},
};

/// What every type of problem begins with. The rest is the word of [`Problem::word`].
const TYPE: &str = "urn:belfry:problem:";
/// How much of a name that was made up elsewhere is repeated, in characters.
const REPEATED: usize = 64;

/// Why a post was not stored.
#[derive(Clone, Debug)]
pub enum Problem {
    /// It holds no proof of which portal sends it, or a token that is none.
    NotProven,
    /// The signature does not belong to these fields, or to no portal that is known.
    WrongSignature,
    /// The signed form is too old.
    Expired,
    /// The signed form claims to last longer than one may.
    TooFarAhead,
    /// The signed form was accepted before.
    NonceUsed,
    /// The portal may not do this.
    OutOfScope,
    /// No portal changes this member.
    ProtectedMember,
    /// The body cannot be read.
    Malformed,
    /// The body is neither a form nor JSON.
    UnknownEncoding,
    /// The `Idempotency-Key` is empty, too long or no text.
    WrongKey,
    /// The `Idempotency-Key` stood over another body before.
    KeyReused,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// Fields that are wrong.
    Fields(FieldErrors),
    /// Fields that nobody reads.
    Unknown(Vec<String>),
    /// Fields that stand there twice.
    Doubled(Vec<String>),
    /// `return_to` leads to an origin that is not on the portal's list.
    ForeignReturn,
    /// The portal's own limit is used up.
    Limited {
        /// Seconds until it is not.
        retry_after: i64,
    },
    /// There is no such door.
    NotFound,
    /// The door takes POST alone.
    OtherWay,
    /// Nothing was stored: the database cannot be used.
    NotStored,
    /// A fault of the program.
    Internal,
}

impl From<Error> for Problem {
    fn from(fault: Error) -> Self {
        match fault {
            Error::Malformed => Self::Malformed,
            Error::TooLarge => Self::TooLarge,
            Error::TooSlow => Self::TooSlow,
            Error::NotFound => Self::NotFound,
            Error::OtherWay => Self::OtherWay,
            // What was just taken by somebody else is there at the next attempt.
            Error::Unavailable(_) | Error::Busy | Error::Taken => {
                tracing::error!(%fault, "a post could not be stored");
                Self::NotStored
            }
            other => {
                tracing::error!(fault = %other, "a post failed");
                Self::Internal
            }
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Fields(errors) => Self::Fields(errors),
            Refused::Protected => Self::ProtectedMember,
        }
    }
}

impl Problem {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotProven | Self::WrongSignature | Self::Expired | Self::TooFarAhead | Self::NonceUsed => {
                StatusCode::UNAUTHORIZED
            }
            Self::OutOfScope | Self::ProtectedMember => StatusCode::FORBIDDEN,
            Self::Malformed | Self::UnknownEncoding | Self::WrongKey => StatusCode::BAD_REQUEST,
            Self::KeyReused => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Fields(_) | Self::Unknown(_) | Self::Doubled(_) | Self::ForeignReturn => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherWay => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotStored => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The last part of its type; the keys of its texts are `portals-problem-` and this word, with `-detail` behind.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotProven => "not-proven",
            Self::WrongSignature => "wrong-signature",
            Self::Expired => "expired",
            Self::TooFarAhead => "too-far-ahead",
            Self::NonceUsed => "nonce-used",
            Self::OutOfScope => "out-of-scope",
            Self::ProtectedMember => "protected-member",
            Self::Malformed => "malformed",
            Self::UnknownEncoding => "unknown-encoding",
            Self::WrongKey => "wrong-idempotency-key",
            Self::KeyReused => "idempotency-key-reused",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Fields(_) => "invalid-fields",
            Self::Unknown(_) => "unknown-fields",
            Self::Doubled(_) => "doubled-fields",
            Self::ForeignReturn => "foreign-return-to",
            Self::Limited { .. } => "too-many",
            Self::NotFound => "not-found",
            Self::OtherWay => "post-only",
            Self::NotStored => "not-stored",
            Self::Internal => "internal",
        }
    }

    /// What is wrong in short.
    fn title(&self, language: Language) -> Cow<'static, str> {
        language.text(&format!("portals-problem-{}", self.word()))
    }

    /// What is wrong, and what to do.
    fn detail(&self, language: Language) -> Cow<'static, str> {
        language.text(&format!("portals-problem-{}-detail", self.word()))
    }

    /// The fields it is about, each with what is wrong with it.
    fn fields(&self, language: Language) -> Vec<(String, String)> {
        let named = |names: &[String], key| {
            names.iter().map(|name| (shortened(name), language.text(key).into_owned())).collect()
        };
        match self {
            Self::Fields(errors) => {
                errors.0.iter().map(|error| (shortened(&error.field), error.text(language).into_owned())).collect()
            }
            Self::Unknown(names) => named(names, "portals-field-unknown"),
            Self::Doubled(names) => named(names, "portals-field-doubled"),
            Self::ForeignReturn => named(&["return_to".to_owned()], "portals-field-foreign"),
            _ => Vec::new(),
        }
    }

    fn document(&self, language: Language) -> String {
        let mut document = json!({
            "type": format!("{TYPE}{}", self.word()),
            "title": self.title(language),
            "status": self.status().as_u16(),
            "detail": self.detail(language),
        });
        let fields = self.fields(language);
        if let (Some(object), false) = (document.as_object_mut(), fields.is_empty()) {
            let errors = fields.into_iter().map(|(field, message)| json!({ "field": field, "message": message }));
            object.insert("errors".to_owned(), errors.collect());
        }
        document.to_string()
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(REPEATED).collect()
}

/// What was stored for a post, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 201 when something was made, 200 when it was changed.
    pub status: u16,
    /// The JSON document.
    pub body: String,
}

/// The form in which whoever posts wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Json,
    Page,
    /// He did not say.
    Open,
}

/// How a request is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    language: Language,
    wish: Wish,
    /// Whether a program posts, and no browser.
    is_program: bool,
}

impl Manner {
    /// What the headers of a request say.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let posts_json = content_type.is_some_and(|value| value.to_ascii_lowercase().contains("json"));
        Self {
            language: wished_language(request).unwrap_or_default(),
            wish: wish(request),
            is_program: posts_json || request.headers().contains_key(header::AUTHORIZATION),
        }
    }

    fn is_json(self) -> bool {
        self.wish == Wish::Json || (self.wish == Wish::Open && self.is_program)
    }
}

/// The first of what a request accepts that we can give.
fn wish(request: &HttpRequest) -> Wish {
    let ranked = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
    let of = |media: &mime::Mime| match (media.type_().as_str(), media.subtype().as_str()) {
        ("application", "json" | "problem+json") => Some(Wish::Json),
        ("text", "html") | ("application", "xhtml+xml") => Some(Wish::Page),
        _ => None,
    };
    ranked.iter().find_map(of).unwrap_or(Wish::Open)
}

#[derive(Template)]
#[template(path = "portals/answer.html")]
struct AnswerPage<'p> {
    language: Language,
    portal_name: &'p str,
    good: bool,
    status: u16,
    title: Cow<'static, str>,
    detail: Cow<'static, str>,
    fields: Vec<(String, String)>,
    /// What was stored, on our pages.
    link: Option<String>,
}

impl AnswerPage<'_> {
    fn stylesheet(&self) -> &'static str {
        web::stylesheet_path()
    }
}

/// Answers a post: `return_to` is where the person is sent when it was accepted.
#[must_use]
pub fn answer(request: &HttpRequest, outcome: Result<Answer, Problem>, return_to: Option<&str>) -> HttpResponse {
    let manner = Manner::of(request);
    match (outcome, return_to) {
        (Ok(_), Some(url)) if manner.wish != Wish::Json => web::redirect(url),
        (Ok(answer), _) => accepted(request, manner, &answer),
        (Err(problem), _) => refused(request, manner, &problem),
    }
}

fn accepted(request: &HttpRequest, manner: Manner, answer: &Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    if manner.is_json() {
        return HttpResponse::build(status).content_type(mime::APPLICATION_JSON).body(answer.body.clone());
    }
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let (language, link) = (manner.language, document.get("url").and_then(|url| url.as_str()).map(str::to_owned));
    let page = AnswerPage {
        language,
        portal_name: &portal_name(request),
        good: true,
        status: status.as_u16(),
        title: language.text("portals-accepted"),
        detail: language.text("portals-accepted-detail"),
        fields: Vec::new(),
        link,
    };
    web::page(status, &page).unwrap_or_else(|_| HttpResponse::new(status))
}

fn refused(request: &HttpRequest, manner: Manner, problem: &Problem) -> HttpResponse {
    let (status, language) = (problem.status(), manner.language);
    let mut response = if manner.is_json() {
        HttpResponse::build(status).content_type("application/problem+json").body(problem.document(language))
    } else {
        let page = AnswerPage {
            language,
            portal_name: &portal_name(request),
            good: false,
            status: status.as_u16(),
            title: problem.title(language),
            detail: problem.detail(language),
            fields: problem.fields(language),
            link: None,
        };
        web::page(status, &page).unwrap_or_else(|_| HttpResponse::new(status))
    };
    let headers = response.headers_mut();
    match problem {
        Problem::Limited { retry_after } => headers.insert(header::RETRY_AFTER, (*retry_after).into()),
        Problem::OtherWay => headers.insert(header::ALLOW, header::HeaderValue::from_static("POST")),
        _ if status == StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"Belfry\""))
        }
        _ => return response,
    };
    response
}

fn portal_name(request: &HttpRequest) -> String {
    request.app_data::<Data<Shared>>().map(|shared| shared.portal_name.clone()).unwrap_or_default()
}

/// Turns the errors that no handler answers (another host, another method) into problems.
///
/// # Errors
/// None of ours: those are answers by now.
pub async fn answer_bare_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(request).await?.map_into_boxed_body();
    let Some(fault) = answer.response().error() else { return Ok(answer) };
    let problem = match fault.as_error::<Error>() {
        Some(Error::OtherWay) => Problem::OtherWay,
        Some(Error::NotFound) => Problem::NotFound,
        _ if fault.as_response_error().status_code().is_client_error() => Problem::Malformed,
        _ => {
            tracing::error!(%fault, "a post failed");
            Problem::Internal
        }
    };
    let response = refused(answer.request(), Manner::of(answer.request()), &problem);
    Ok(answer.into_response(response))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// One of each.
    fn all() -> Vec<Problem> {
        vec![
            Problem::NotProven,
            Problem::WrongSignature,
            Problem::Expired,
            Problem::TooFarAhead,
            Problem::NonceUsed,
            Problem::OutOfScope,
            Problem::ProtectedMember,
            Problem::Malformed,
            Problem::UnknownEncoding,
            Problem::WrongKey,
            Problem::KeyReused,
            Problem::TooLarge,
            Problem::TooSlow,
            Problem::Fields(FieldErrors::one("title", "form-required")),
            Problem::Unknown(vec!["x".repeat(500)]),
            Problem::Doubled(vec!["title".to_owned()]),
            Problem::ForeignReturn,
            Problem::Limited { retry_after: 7 },
            Problem::NotFound,
            Problem::OtherWay,
            Problem::NotStored,
            Problem::Internal,
        ]
    }

    #[test]
    fn every_problem_has_a_type_of_its_own_and_words_in_both_languages() {
        let mut words: Vec<&str> = all().iter().map(Problem::word).collect();
        for problem in all() {
            for language in Language::ALL {
                for text in [problem.title(language), problem.detail(language)] {
                    assert!(!text.contains("portals-"), "{text} in {}", language.tag());
                }
                for (field, message) in problem.fields(language) {
                    assert!(!message.contains("portals-") && field.chars().count() <= REPEATED, "{field}: {message}");
                }
            }
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all().len());
    }

    #[test]
    fn a_document_names_type_title_status_and_every_field() {
        let problem = Problem::Fields(FieldErrors::one("title", "form-required"));
        let document: serde_json::Value = serde_json::from_str(&problem.document(Language::English)).unwrap();
        assert_eq!(document["type"], "urn:belfry:problem:invalid-fields");
        assert_eq!(document["status"], 422);
        assert_eq!(document["errors"], json!([{ "field": "title", "message": "Please fill this in." }]));
    }

    #[test]
    fn json_is_answered_to_who_asks_for_it_and_to_programs_that_do_not_say() {
        let manner = |headers: &[(&str, &str)]| {
            let request = headers.iter().fold(TestRequest::post(), |request, header| request.insert_header(*header));
            Manner::of(&request.to_http_request()).is_json()
        };
        let browser = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        assert!(manner(&[("accept", "application/json")]));
        assert!(manner(&[("accept", "text/html;q=0.5, application/json")]));
        assert!(manner(&[("authorization", "Bearer x"), ("accept", "*/*")]));
        assert!(manner(&[("content-type", "application/json")]));
        assert!(!manner(&[browser]));
        assert!(!manner(&[("authorization", "Bearer x"), browser]));
        assert!(!manner(&[("content-type", "application/x-www-form-urlencoded"), ("accept", "*/*")]));
    }
}
