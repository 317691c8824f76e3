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

use super::refusals::Refusals;
use crate::{
    error::Error,
    language::Language,
    members::Refused,
    web::{self, FieldErrors, WebConfig, accepted_language},
};

/// What every type of problem begins with. The rest is the word of [`Problem::word`].
const TYPE: &str = "urn:belfry:problem:";
/// How much of a name that was made up elsewhere is repeated, in characters.
const REPEATED: usize = 128;
/// The most fields that one answer names.
const MOST_FIELDS: usize = 100;

/// The key for a field that nobody reads.
pub const UNKNOWN_FIELD: &str = "portals-field-unknown";
/// The key for a field that stands there twice.
pub const DOUBLED_FIELD: &str = "portals-field-doubled";
/// The key for a `return_to` whose origin is not on the portal's list.
pub const FOREIGN_RETURN: &str = "portals-field-foreign";

/// Why a body cannot be read. Lines count from 1, columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The request breaks off, or is no request that any system sends.
    Request,
    /// It is not UTF-8.
    NotUtf8 {
        /// The line of the first wrong byte.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// It is not JSON.
    NotJson {
        /// The line where that shows.
        line: usize,
        /// The column.
        column: usize,
    },
    /// It is JSON that ends too early.
    CutOff {
        /// The line of its end.
        line: usize,
        /// The column.
        column: usize,
    },
    /// Lists and objects are nested deeper than is read.
    TooDeep {
        /// The line where that shows.
        line: usize,
        /// The column.
        column: usize,
    },
    /// It is JSON, and no object.
    NotAnObject,
    /// A text holds the character NUL.
    Nul {
        /// The path of the field.
        field: String,
    },
    /// A text holds an escape that is half a character (a lone surrogate).
    HalfCharacter {
        /// The path of the field.
        field: String,
    },
    /// A field of a form is not UTF-8.
    FieldNotUtf8 {
        /// The name of the field; its number in the form when the name cannot be read.
        field: String,
    },
    /// It claims to be gzip and is not.
    NotGzip,
}

impl Unreadable {
    /// What is wrong, and where.
    fn detail(&self, language: Language) -> Cow<'static, str> {
        let at = |key: &str, line: &usize, column: &usize| {
            language.text_with(key, &[("line", &line.to_string()), ("column", &column.to_string())])
        };
        let of = |key: &str, field: &str| language.text_with(key, &[("field", &shortened(field))]);
        match self {
            Self::Request => language.text("portals-problem-malformed-detail"),
            Self::NotUtf8 { line, column } => at("portals-unreadable-utf8", line, column),
            Self::NotJson { line, column } => at("portals-unreadable-json", line, column),
            Self::CutOff { line, column } => at("portals-unreadable-cut-off", line, column),
            Self::TooDeep { line, column } => at("portals-unreadable-deep", line, column),
            Self::NotAnObject => language.text("portals-unreadable-object"),
            Self::Nul { field } => of("portals-unreadable-nul", field),
            Self::HalfCharacter { field } => of("portals-unreadable-half", field),
            Self::FieldNotUtf8 { field } => of("portals-unreadable-field", field),
            Self::NotGzip => language.text("portals-unreadable-gzip"),
        }
    }
}

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
    Malformed(Unreadable),
    /// The body is compressed in a way that is not read.
    WrongContentEncoding,
    /// The body is neither a form nor JSON, or does not say which.
    UnknownEncoding,
    /// The body is JSON, and said to be a form.
    JsonAsForm,
    /// The body is in another character set than UTF-8.
    WrongCharset,
    /// The `Idempotency-Key` is empty, too long or no text.
    WrongKey,
    /// The `Idempotency-Key` stood over another body before.
    KeyReused,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// Fields that are wrong, all of them.
    Fields(FieldErrors),
    /// The portal's own limit is used up.
    Limited {
        /// Seconds until it is not.
        retry_after: i64,
    },
    /// The request names another host than the one that is answered.
    WrongHost,
    /// There is no such door.
    NotFound,
    /// The door takes POST alone.
    OtherWay,
    /// Nothing was stored: the database cannot be used. The text is for the log alone.
    NotStored(String),
    /// A fault of the program. The text is for the log alone.
    Internal(String),
}

impl From<Error> for Problem {
    fn from(fault: Error) -> Self {
        match fault {
            Error::Malformed => Self::Malformed(Unreadable::Request),
            Error::TooLarge => Self::TooLarge,
            Error::BodyTimeout => Self::TooSlow,
            Error::NotFound => Self::NotFound,
            Error::MethodNotAllowed { .. } => Self::OtherWay,
            // What was just taken by somebody else is there at the next attempt.
            Error::Unavailable(_) | Error::TooBusy | Error::AlreadyExists => Self::NotStored(fault.to_string()),
            other => Self::Internal(other.to_string()),
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
            Self::Malformed(_) | Self::WrongKey | Self::WrongHost => StatusCode::BAD_REQUEST,
            Self::UnknownEncoding | Self::JsonAsForm | Self::WrongContentEncoding | Self::WrongCharset => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::KeyReused => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherWay => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotStored(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
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
            Self::Malformed(_) => "malformed",
            Self::WrongContentEncoding => "wrong-content-encoding",
            Self::UnknownEncoding => "unknown-encoding",
            Self::JsonAsForm => "json-as-form",
            Self::WrongCharset => "wrong-charset",
            Self::WrongKey => "wrong-idempotency-key",
            Self::KeyReused => "idempotency-key-reused",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Fields(errors) => fields_word(errors),
            Self::Limited { .. } => "too-many",
            Self::WrongHost => "wrong-host",
            Self::NotFound => "not-found",
            Self::OtherWay => "post-only",
            Self::NotStored(_) => "not-stored",
            Self::Internal(_) => "internal",
        }
    }

    /// What is wrong in short.
    fn title(&self, language: Language) -> Cow<'static, str> {
        language.text(&format!("portals-problem-{}", self.word()))
    }

    /// What is wrong, and what to do.
    fn detail(&self, language: Language) -> Cow<'static, str> {
        match self {
            Self::Malformed(unreadable) => unreadable.detail(language),
            _ => language.text(&format!("portals-problem-{}-detail", self.word())),
        }
    }

    /// The fields it is about, each with what is wrong with it; of very many the first, and how many more there are.
    fn fields(&self, language: Language) -> Vec<(String, String)> {
        let mut fields = self.every_field(language);
        if let Some(more) = fields.len().checked_sub(MOST_FIELDS).filter(|more| *more > 0) {
            fields.truncate(MOST_FIELDS);
            let more = i64::try_from(more).unwrap_or(i64::MAX);
            fields.push(("…".to_owned(), language.text_count("portals-more-fields", more).into_owned()));
        }
        fields
    }

    fn every_field(&self, language: Language) -> Vec<(String, String)> {
        match self {
            Self::Fields(errors) => {
                errors.0.iter().map(|error| (shortened(&error.field), error.text(language).into_owned())).collect()
            }
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

/// The word for wrong fields: one of its own when all have the same mistake.
fn fields_word(errors: &FieldErrors) -> &'static str {
    let are_all = |key: &str| errors.0.iter().all(|error| error.key == key);
    match () {
        () if errors.is_empty() => "invalid-fields",
        () if are_all(UNKNOWN_FIELD) => "unknown-fields",
        () if are_all(DOUBLED_FIELD) => "doubled-fields",
        () if are_all(FOREIGN_RETURN) => "foreign-return-to",
        () => "invalid-fields",
    }
}

/// The short text of a problem by its word; the word itself when it is of another version.
#[must_use]
pub fn title_of(word: &str, language: Language) -> String {
    let key = format!("portals-problem-{word}");
    let title = language.text(&key);
    if title == key { word.to_owned() } else { title.into_owned() }
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
}

impl Manner {
    /// What the headers of a request say.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        Self { language: accepted_language(request).unwrap_or_default(), wish: wish(request) }
    }

    /// Whoever names no HTML among what is accepted is a program.
    fn is_json(self) -> bool {
        self.wish != Wish::Page
    }
}

/// The first of what a request accepts that we can give. Programs get no page: what carries a bearer token or a body of JSON is
/// no form of a browser.
fn wish(request: &HttpRequest) -> Wish {
    let is_program = web::bearer_token(request).is_some() || web::names_json(request, header::CONTENT_TYPE);
    match accepted(request) {
        Wish::Page if is_program || !web::accepts_pages(request) => Wish::Open,
        wish => wish,
    }
}

fn accepted(request: &HttpRequest) -> Wish {
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
    /// What whoever posted should know all the same.
    warnings: Vec<String>,
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
        (Ok(answer), _) => answer_accepted(request, manner, &answer),
        (Err(problem), _) => {
            Refusals::note(request, &problem);
            refused(request, manner, &problem)
        }
    }
}

fn answer_accepted(request: &HttpRequest, manner: Manner, answer: &Answer) -> HttpResponse {
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
        warnings: document
            .get("warnings")
            .and_then(|list| serde_json::from_value(list.clone()).ok())
            .unwrap_or_default(),
        link,
    };
    web::render_page(status, &page).unwrap_or_else(|_| HttpResponse::new(status))
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
            warnings: Vec::new(),
            link: None,
        };
        web::render_page(status, &page).unwrap_or_else(|_| HttpResponse::new(status))
    };
    let headers = response.headers_mut();
    match problem {
        Problem::Limited { retry_after } => headers.insert(header::RETRY_AFTER, (*retry_after).into()),
        Problem::OtherWay => headers.insert(header::ALLOW, header::HeaderValue::from_static("POST")),
        // RFC 9110, 12.5.3: what the sender may use instead.
        Problem::WrongContentEncoding => {
            headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("gzip, identity"))
        }
        _ if status == StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"Belfry\""))
        }
        _ => return response,
    };
    response
}

fn portal_name(request: &HttpRequest) -> String {
    request.app_data::<Data<WebConfig>>().map(|shared| shared.portal_name.clone()).unwrap_or_default()
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
        Some(Error::MethodNotAllowed { .. }) => Problem::OtherWay,
        Some(Error::NotFound) => Problem::NotFound,
        Some(Error::WrongHost) => Problem::WrongHost,
        _ if fault.as_response_error().status_code().is_client_error() => Problem::Malformed(Unreadable::Request),
        _ => Problem::Internal(fault.to_string()),
    };
    Refusals::note(answer.request(), &problem);
    let response = refused(answer.request(), Manner::of(answer.request()), &problem);
    Ok(answer.into_response(response))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn named(field: String, key: &'static str) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.add(field, key);
        errors
    }

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
            Problem::Malformed(Unreadable::Request),
            Problem::WrongContentEncoding,
            Problem::UnknownEncoding,
            Problem::JsonAsForm,
            Problem::WrongCharset,
            Problem::WrongKey,
            Problem::KeyReused,
            Problem::TooLarge,
            Problem::TooSlow,
            Problem::Fields(FieldErrors::single("title", "form-required")),
            Problem::Fields(named("x".repeat(500), UNKNOWN_FIELD)),
            Problem::Fields(named("title".to_owned(), DOUBLED_FIELD)),
            Problem::Fields(named("return_to".to_owned(), FOREIGN_RETURN)),
            Problem::Limited { retry_after: 7 },
            Problem::WrongHost,
            Problem::NotFound,
            Problem::OtherWay,
            Problem::NotStored(String::new()),
            Problem::Internal(String::new()),
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
    fn what_makes_a_body_unreadable_is_said_in_both_languages_with_its_place() {
        let (line, column, field) = (3, 17, "alerts[0].labels.port".to_owned());
        let placed = [
            Unreadable::NotUtf8 { line, column },
            Unreadable::NotJson { line, column },
            Unreadable::CutOff { line, column },
            Unreadable::TooDeep { line, column },
        ];
        let named = [
            Unreadable::Nul { field: field.clone() },
            Unreadable::HalfCharacter { field: field.clone() },
            Unreadable::FieldNotUtf8 { field: field.clone() },
        ];
        let others = [Unreadable::Request, Unreadable::NotAnObject, Unreadable::NotGzip];
        let mut details = std::collections::BTreeSet::new();
        for language in Language::ALL {
            let said = |fault: &Unreadable| fault.detail(language).into_owned();
            assert!(placed.iter().all(|fault| said(fault).contains("17") && said(fault).contains('3')));
            assert!(named.iter().all(|fault| said(fault).contains(&field)));
            details.extend(placed.iter().chain(&named).chain(&others).map(said));
        }
        assert_eq!(details.len(), 20);
        assert!(details.iter().all(|detail| !detail.contains("portals-")), "{details:?}");
    }

    #[test]
    fn an_answer_names_a_hundred_fields_and_how_many_more_there_are() {
        let mut errors = FieldErrors::default();
        (0..250).for_each(|number| errors.add(format!("alerts[{number}].status"), "form-choose"));
        let fields = Problem::Fields(errors).fields(Language::English);
        assert_eq!(fields.len(), 101);
        assert!(fields.last().unwrap().1.contains("150"), "{fields:?}");
    }

    #[test]
    fn a_document_names_type_title_status_and_every_field() {
        let problem = Problem::Fields(FieldErrors::single("title", "form-required"));
        let document: serde_json::Value = serde_json::from_str(&problem.document(Language::English)).unwrap();
        assert_eq!(document["type"], "urn:belfry:problem:invalid-fields");
        assert_eq!(document["status"], 422);
        assert_eq!(document["errors"], json!([{ "field": "title", "message": "This field is required." }]));
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
        assert!(manner(&[("content-type", "application/x-www-form-urlencoded"), ("accept", "*/*")]));
        assert!(manner(&[("accept", "text/plain")]));
        assert!(manner(&[]));
        assert!(!manner(&[browser]));
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert!(!manner(&[form, browser]) && !manner(&[("authorization", "Basic eDp5"), browser]));
        assert!(manner(&[("authorization", "Bearer x"), browser]));
        assert!(manner(&[("content-type", "application/json"), browser]));
        for java in ["*; q=.2, */*; q=.2", "*/*; q=0.2"] {
            let accept = format!("text/html, image/gif, image/jpeg, {java}");
            assert!(manner(&[form, ("accept", &accept)]), "{accept}");
        }
    }
}
