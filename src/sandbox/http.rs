//! The robots' addresses: reads a call whole, has it judged, and sends the answer in the manner that it asks for.

use std::{io, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::StatusCode,
    rt::time::sleep,
    web::{Bytes, Data, Payload, ServiceConfig, resource, route},
};
use futures_util::stream;

use super::{
    Sandbox,
    check::IncomingRequest,
    group::RobotKind,
    response::{SendMode, SimulatedResponse},
};

/// The largest body that is read at all, in bytes: beyond every vendor's limit.
const MAX_READ_BYTES: usize = 1024 * 1024;

/// The three webhooks, and DingTalk's answer to every other path.
pub(super) fn configure_routes(config: &mut ServiceConfig) {
    config
        .service(resource("/robot/send").to(handle_dingtalk))
        .service(resource("/open-apis/bot/v2/hook/{token:[^/]*}").to(handle_lark))
        .service(resource("/cgi-bin/webhook/send").to(handle_wecom))
        .default_service(route().to(async || send_response(SimulatedResponse::unknown_path()).await));
}

async fn handle_dingtalk(request: HttpRequest, payload: Payload, sandbox: Data<Sandbox>) -> HttpResponse {
    let Some(incoming) = read_request(&request, payload).await else {
        return send_response(SimulatedResponse::gateway_too_large()).await;
    };
    let token = incoming.parameter("access_token").unwrap_or_default();
    send_response(sandbox.handle_call(RobotKind::DingTalk, &token, incoming)).await
}

async fn handle_lark(request: HttpRequest, payload: Payload, sandbox: Data<Sandbox>) -> HttpResponse {
    let Some(incoming) = read_request(&request, payload).await else {
        return send_response(SimulatedResponse::gateway_too_large()).await;
    };
    let token = request.match_info().query("token");
    send_response(sandbox.handle_call(RobotKind::Lark, token, incoming)).await
}

async fn handle_wecom(request: HttpRequest, payload: Payload, sandbox: Data<Sandbox>) -> HttpResponse {
    let Some(incoming) = read_request(&request, payload).await else {
        return send_response(SimulatedResponse::gateway_too_large()).await;
    };
    let token = incoming.parameter("key").unwrap_or_default();
    send_response(sandbox.handle_call(RobotKind::WeCom, &token, incoming)).await
}

/// The call as it came in; `None` when its body is too large or did not arrive whole.
async fn read_request(request: &HttpRequest, payload: Payload) -> Option<IncomingRequest> {
    let body = payload.to_bytes_limited(MAX_READ_BYTES).await.ok()?.ok()?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    Some(IncomingRequest {
        method: request.method().as_str().to_owned(),
        query: request.query_string().to_owned(),
        headers: headers.collect(),
        content_type: actix_web::HttpMessage::content_type(request).to_owned(),
        body,
        peer: request.peer_addr().map(|address| address.ip()),
    })
}

async fn send_response(answer: SimulatedResponse) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type(answer.content_type);
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    match answer.send_mode {
        SendMode::Immediate => response.body(answer.body),
        SendMode::Delayed(delay) => {
            sleep(delay).await;
            response.body(answer.body)
        }
        SendMode::ByteByByte(gap) => send_byte_by_byte(response, answer.body, gap),
        SendMode::CloseConnection(hang) => {
            sleep(hang).await;
            // A body that fails before its first byte makes the server close the connection without an answer.
            response.streaming(stream::once(async { Err::<Bytes, _>(io::Error::other("a fault cut the connection")) }))
        }
    }
}

fn send_byte_by_byte(mut response: HttpResponseBuilder, body: String, gap: Duration) -> HttpResponse {
    response.streaming(stream::unfold(body.into_bytes().into_iter(), move |mut bytes| async move {
        let byte = bytes.next()?;
        sleep(gap).await;
        Some((Ok::<_, io::Error>(Bytes::from(vec![byte])), bytes))
    }))
}
