//! Who may ask for what: every route, every kind of visitor, own and foreign and unknown and malformed objects.
//!
//! The table is the promise. A route of `src/routes.rs` without a row here fails, and so does a row without a route.

use std::collections::{BTreeMap, BTreeSet};

use belfry::{access::Role, delivery::DeliveryReason};
use reqwest::Method;

use crate::harness::{PASSWORD, TestApp, Town, User};

/// What each visitor is answered. `login` and `password` are the redirects to the log-in page and to the page where the
/// password is chosen that replaces a one-time code; `refused` is 403 or 404, whichever check comes first; everything
/// else is a status.
///
/// | visitor    | who                                                                  |
/// |------------|----------------------------------------------------------------------|
/// | anonymous  | not signed in                                                        |
/// | member     | member of the tenant `ours`                                          |
/// | system     | system administrator of `ours`                                       |
/// | super      | super administrator of `ours`                                        |
/// | foreign    | super administrator of the tenant `theirs`                           |
/// | instance   | super administrator of the metadata warehouse, in no other tenant    |
/// | clerk      | member of the metadata warehouse, who administers nothing            |
/// | disabled   | disabled member of `ours`                                            |
/// | expired    | system administrator of `ours` whose session is too old              |
/// | newcomer   | system administrator of `ours` who has yet to choose a password      |
///
/// The object is what the path names: a thing of `ours`, of `theirs`, one that is `unknown`, a `malformed` id; for a path
/// with a tenant and an id, `ours/theirs` is a foreign id under the own tenant. `-` is a path that names nothing.
const TABLE: &str = "
route                                         object         anonymous member system super  foreign instance clerk  disabled expired newcomer

GET  /healthz                                 -              200    200    200    200    200    200    200    200    200    200
GET  /readyz                                  -              200    200    200    200    200    200    200    200    200    200
GET  /metrics                                 -              200    200    200    200    200    200    200    200    200    200
GET  /static/{file}                           unknown        404    404    404    404    404    404    404    404    404    404

POST /intake/members                          -              401    401    401    401    401    401    401    401    401    401
POST /intake/alerts                           -              401    401    401    401    401    401    401    401    401    401
POST /intake/alertmanager                     -              401    401    401    401    401    401    401    401    401    401
POST /intake/grafana                          -              401    401    401    401    401    401    401    401    401    401

GET  /setup                                   -              404    404    404    404    404    404    404    404    404    404
POST /setup                                   -              404    404    404    404    404    404    404    404    404    404
GET  /login                                   -              200    303    303    303    303    303    303    303    200    303
POST /login                                   -              303    303    303    303    303    303    303    303    303    303
POST /logout                                  -              login  login  login  login  login  login  login  login  login  login
POST /language                                -              303    303    303    303    303    303    303    303    303    303
GET  /                                        -              login  303    303    303    303    303    303    200    login  password
POST /invitations/accept                      -              login  404    404    404    404    404    404    404    login  password
POST /invitations/decline                     -              login  404    404    404    404    404    404    404    login  password
GET  /account                                 -              login  200    200    200    200    200    200    200    login  password
POST /account                                 -              login  422    422    422    422    422    422    422    login  password
GET  /account/password                        -              login  303    303    303    303    303    303    303    login  200
POST /account/password                        -              login  403    403    403    403    403    403    403    login  422
POST /account/sessions/end                    -              login  303    303    303    303    303    303    303    login  password
POST /account/sessions/end-others             -              login  422    422    422    422    422    422    422    login  password

GET  /instance/message-channel                -              login  403    403    403    403    200    403    403    login  password
POST /instance/message-channel                -              login  403    403    403    403    303    403    403    login  password

GET  /t/{tenant}/settings/message-channel     ours           login  200    200    200    404    200    404    404    login  password
GET  /t/{tenant}/settings/message-channel     theirs         login  404    404    404    200    200    404    404    login  password
GET  /t/{tenant}/settings/message-channel     unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/settings/message-channel     malformed      login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/settings/message-channel     ours           login  403    303    303    404    303    404    404    login  password
POST /t/{tenant}/settings/message-channel     theirs         login  404    404    404    303    303    404    404    login  password
POST /t/{tenant}/settings/message-channel     unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/settings/message-channel     malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/settings/portals                  ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/settings/portals                  theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/settings/portals                  unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/settings/portals                  malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/settings/portals/new              ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/settings/portals/new              theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/settings/portals/new              unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/settings/portals/new              malformed      login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/settings/portals/new              ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/new              theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/settings/portals/new              unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/settings/portals/new              malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/settings/portals/{id}             ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/settings/portals/{id}             theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/settings/portals/{id}             ours/theirs    login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/settings/portals/{id}             ours/unknown   login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/settings/portals/{id}             ours/malformed login  refused 404    404    404    refused 404    404    login  password
GET  /t/{tenant}/settings/portals/{id}             unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/settings/portals/{id}             ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}             theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}             ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}             ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}             ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/settings/portals/{id}             unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/settings/portals/{id}/rotate      ours           login  403    200    200    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/rotate      theirs         login  404    404    404    200    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/rotate      ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/rotate      ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/rotate      ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/settings/portals/{id}/rotate      unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/settings/portals/{id}/end-overlap ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/end-overlap theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/end-overlap ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/end-overlap ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/end-overlap ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/settings/portals/{id}/end-overlap unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/settings/portals/{id}/revoke      ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/revoke      theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/revoke      ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/revoke      ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/settings/portals/{id}/revoke      ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/settings/portals/{id}/revoke      unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/members                      ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/members                      theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/members                      unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/members                      malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/members/new                  ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/members/new                  theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/members/new                  unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/members/new                  malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/new                  ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/members/new                  theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/members/new                  unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/members/new                  malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/members/{id}/edit            ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/members/{id}/edit            theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/members/{id}/edit            ours/theirs    login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/members/{id}/edit            ours/unknown   login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/members/{id}/edit            ours/malformed login  refused 404    404    404    refused 404    404    login  password
GET  /t/{tenant}/members/{id}/edit            unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/edit            ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/edit            theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/members/{id}/edit            ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/edit            ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/edit            ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/edit            unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/test            ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/test            theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/members/{id}/test            ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/test            ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/test            ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/test            unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/verify          ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/verify          theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/members/{id}/verify          ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/verify          ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/verify          ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/verify          unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/confirm         ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/confirm         theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/members/{id}/confirm         ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/confirm         ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/confirm         ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/confirm         unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/disable         ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/disable         theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/members/{id}/disable         ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/disable         ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/disable         ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/disable         unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/members/{id}/end-sessions    ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/end-sessions    theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/members/{id}/end-sessions    ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/end-sessions    ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/end-sessions    ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/end-sessions    unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/reinstate       ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/reinstate       theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/members/{id}/reinstate       ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/reinstate       ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/reinstate       ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/reinstate       unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/remove          ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/remove          theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/members/{id}/remove          ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/remove          ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/remove          ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/remove          unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/members/{id}/code            ours           login  403    200    200    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/code            theirs         login  404    404    404    200    403    404    404    login  password
POST /t/{tenant}/members/{id}/code            ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/code            ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/members/{id}/code            ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/members/{id}/code            unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/me                           ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/me                           theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/me                           unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/me                           malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/me                           ours           login  303    303    303    404    403    404    404    login  password
POST /t/{tenant}/me                           theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/me                           unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/me                           malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/me/test                      ours           login  422    422    422    404    403    404    404    login  password
POST /t/{tenant}/me/test                      theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/me/test                      unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/me/test                      malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/me/verify                    ours           login  422    422    422    404    403    404    404    login  password
POST /t/{tenant}/me/verify                    theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/me/verify                    unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/me/verify                    malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/me/confirm                   ours           login  422    422    422    404    403    404    404    login  password
POST /t/{tenant}/me/confirm                   theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/me/confirm                   unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/me/confirm                   malformed      login  404    404    404    404    404    404    404    login  password

GET  /instance/log-in                         -              login  403    403    403    403    200    403    403    login  password
POST /instance/log-in                         -              login  403    403    403    403    422    403    403    login  password

GET  /instance/retention                      -              login  403    403    403    403    200    403    403    login  password
POST /instance/retention                      -              login  403    403    403    403    422    403    403    login  password

GET  /instance/audit                          -              login  403    403    403    403    200    403    403    login  password

GET  /instance/tenants                        -              login  403    403    403    403    200    403    403    login  password
GET  /instance/tenants/new                    -              login  403    403    403    403    200    403    403    login  password
POST /instance/tenants/new                    -              login  403    403    403    403    422    403    403    login  password
GET  /instance/tenants/{id}/edit              ours           login  403    403    403    403    200    403    403    login  password
GET  /instance/tenants/{id}/edit              unknown        login  403    403    403    403    404    403    403    login  password
GET  /instance/tenants/{id}/edit              malformed      login  refused refused refused refused 404    refused refused login  password
POST /instance/tenants/{id}/edit              ours           login  403    403    403    403    422    403    403    login  password
POST /instance/tenants/{id}/edit              unknown        login  403    403    403    403    404    403    403    login  password
POST /instance/tenants/{id}/edit              malformed      login  refused refused refused refused 404    refused refused login  password
GET  /instance/tenants/{id}/delete            ours           login  403    403    403    403    200    403    403    login  password
GET  /instance/tenants/{id}/delete            unknown        login  403    403    403    403    404    403    403    login  password
GET  /instance/tenants/{id}/delete            malformed      login  refused refused refused refused 404    refused refused login  password
POST /instance/tenants/{id}/delete            ours           login  403    403    403    403    303    403    403    login  password
POST /instance/tenants/{id}/delete            unknown        login  403    403    403    403    404    403    403    login  password
POST /instance/tenants/{id}/delete            malformed      login  refused refused refused refused 404    refused refused login  password
POST /instance/tenants/{id}/code              ours           login  403    403    403    403    200    403    403    login  password
POST /instance/tenants/{id}/code              unknown        login  403    403    403    403    404    403    403    login  password
POST /instance/tenants/{id}/code              malformed      login  refused refused refused refused 404    refused refused login  password
POST /instance/tenants/{id}/super-admin       ours           login  403    403    403    403    403    403    403    login  password
POST /instance/tenants/{id}/super-admin       unknown        login  403    403    403    403    404    403    403    login  password
POST /instance/tenants/{id}/super-admin       malformed      login  refused refused refused refused 404    refused refused login  password

POST /instance/tenants/{id}/restore           ours           login  403    403    403    403    404    403    403    login  password
POST /instance/tenants/{id}/restore           unknown        login  403    403    403    403    404    403    403    login  password
POST /instance/tenants/{id}/restore           malformed      login  refused refused refused refused 404    refused refused login  password

GET  /t/{tenant}                              ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}                              theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}                              unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}                              malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/audit                        ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/audit                        theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/audit                        unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/audit                        malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alert-rules                  ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alert-rules                  theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alert-rules                  unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/alert-rules                  malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alert-rules/new              ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alert-rules/new              theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alert-rules/new              unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/alert-rules/new              malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alert-rules/new              ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/new              theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alert-rules/new              unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/alert-rules/new              malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alert-rules/preview          ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alert-rules/preview          theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alert-rules/preview          unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/alert-rules/preview          malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alert-rules/enable           ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/enable           theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alert-rules/enable           unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/alert-rules/enable           malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alert-rules/disable          ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/disable          theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alert-rules/disable          unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/alert-rules/disable          malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alert-rules/delete           ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/delete           theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alert-rules/delete           unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/alert-rules/delete           malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alert-rules/{id}/edit        ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alert-rules/{id}/edit        theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alert-rules/{id}/edit        ours/theirs    login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/alert-rules/{id}/edit        ours/unknown   login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/alert-rules/{id}/edit        ours/malformed login  refused 404    404    404    refused 404    404    login  password
GET  /t/{tenant}/alert-rules/{id}/edit        unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alert-rules/{id}/edit        ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/{id}/edit        theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alert-rules/{id}/edit        ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/{id}/edit        ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/alert-rules/{id}/edit        ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/alert-rules/{id}/edit        unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/templates                    ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/templates                    theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/templates                    unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/templates                    malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/templates                    ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/templates                    theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/templates                    unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/templates                    malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/templates/{channel}/{reason} ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/templates/{channel}/{reason} theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/templates/{channel}/{reason} unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/templates/{channel}/{reason} malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/templates/{channel}/{reason} ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/templates/{channel}/{reason} theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/templates/{channel}/{reason} unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/templates/{channel}/{reason} malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/templates/{channel}/{reason}/preview ours      login  403 422 422 404 403 404 404 login password
POST /t/{tenant}/templates/{channel}/{reason}/preview theirs    login  404 404 404 422 403 404 404 login password
POST /t/{tenant}/templates/{channel}/{reason}/preview unknown   login  404 404 404 404 404 404 404 login password
POST /t/{tenant}/templates/{channel}/{reason}/preview malformed login  404 404 404 404 404 404 404 login password

POST /t/{tenant}/templates/{channel}/{reason}/reset ours        login  403 303 303 404 403 404 404 login password
POST /t/{tenant}/templates/{channel}/{reason}/reset theirs      login  404 404 404 303 403 404 404 login password
POST /t/{tenant}/templates/{channel}/{reason}/reset unknown     login  404 404 404 404 404 404 404 login password
POST /t/{tenant}/templates/{channel}/{reason}/reset malformed   login  404 404 404 404 404 404 404 login password

GET  /t/{tenant}/deliveries                   ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/deliveries                   theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/deliveries                   unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/deliveries                   malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/deliveries/{id}              ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/deliveries/{id}              theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/deliveries/{id}              ours/theirs    login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/deliveries/{id}              ours/unknown   login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/deliveries/{id}              ours/malformed login  404    404    404    404    refused 404    404    login  password
GET  /t/{tenant}/deliveries/{id}              unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alerts                       ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alerts                       theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alerts                       unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/alerts                       malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alerts                       ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alerts                       theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alerts                       unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/alerts                       malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alerts/new                   ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alerts/new                   theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alerts/new                   unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/alerts/new                   malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alerts/new                   ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/alerts/new                   theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/alerts/new                   unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/alerts/new                   malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/alerts/{id}                  ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/alerts/{id}                  theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/alerts/{id}                  ours/theirs    login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/alerts/{id}                  ours/unknown   login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/alerts/{id}                  ours/malformed login  404    404    404    404    refused 404    404    login  password
GET  /t/{tenant}/alerts/{id}                  unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/alerts/{id}                  ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/alerts/{id}                  theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/alerts/{id}                  ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/alerts/{id}                  ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/alerts/{id}                  ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/alerts/{id}                  unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/deliveries.csv               ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/deliveries.csv               theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/deliveries.csv               unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/deliveries.csv               malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/deliveries/resend            ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/deliveries/resend            theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/deliveries/resend            unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/deliveries/resend            malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/deliveries/resend            ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/deliveries/resend            theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/deliveries/resend            unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/deliveries/resend            malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/deliveries/{id}/resend       ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/deliveries/{id}/resend       theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/deliveries/{id}/resend       ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/deliveries/{id}/resend       ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/deliveries/{id}/resend       ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/deliveries/{id}/resend       unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/groups                       ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/groups                       theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/groups                       unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/groups                       malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/groups/new                   ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/groups/new                   theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/groups/new                   unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/groups/new                   malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/groups/new                   ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/groups/new                   theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/groups/new                   unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/groups/new                   malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/groups/{id}                  ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/groups/{id}                  theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/groups/{id}                  ours/theirs    login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/groups/{id}                  ours/unknown   login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/groups/{id}                  ours/malformed login  404    404    404    404    refused 404    404    login  password
GET  /t/{tenant}/groups/{id}                  unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/groups/{id}/edit             ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/groups/{id}/edit             theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/groups/{id}/edit             ours/theirs    login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/groups/{id}/edit             ours/unknown   login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/groups/{id}/edit             ours/malformed login  404    404    404    404    refused 404    404    login  password
GET  /t/{tenant}/groups/{id}/edit             unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/groups/{id}/edit             ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/edit             theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/groups/{id}/edit             ours/theirs    login  404    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/edit             ours/unknown   login  404    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/edit             ours/malformed login  404    404    404    404    refused 404    404    login  password
POST /t/{tenant}/groups/{id}/edit             unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/groups/{id}/enable           ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/enable           theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/groups/{id}/enable           ours/theirs    login  404    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/enable           ours/unknown   login  404    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/enable           ours/malformed login  404    404    404    404    refused 404    404    login  password
POST /t/{tenant}/groups/{id}/enable           unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/groups/{id}/disable          ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/disable          theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/groups/{id}/disable          ours/theirs    login  404    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/disable          ours/unknown   login  404    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/disable          ours/malformed login  404    404    404    404    refused 404    404    login  password
POST /t/{tenant}/groups/{id}/disable          unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/groups/{id}/delete           ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/delete           theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/groups/{id}/delete           ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/delete           ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/groups/{id}/delete           ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/groups/{id}/delete           unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/schedules                    ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/schedules                    theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/schedules                    unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/schedules                    malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/schedules/new                ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/schedules/new                theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/schedules/new                unknown        login  404    404    404    404    404    404    404    login  password
GET  /t/{tenant}/schedules/new                malformed      login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/schedules/new                ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/schedules/new                theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/schedules/new                unknown        login  404    404    404    404    404    404    404    login  password
POST /t/{tenant}/schedules/new                malformed      login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/schedules/{id}               ours           login  200    200    200    404    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}               theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}               ours/theirs    login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}               ours/unknown   login  404    404    404    404    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}               ours/malformed login  404    404    404    404    refused 404    404    login  password
GET  /t/{tenant}/schedules/{id}               unknown        login  404    404    404    404    404    404    404    login  password

GET  /t/{tenant}/schedules/{id}/edit          ours           login  403    200    200    404    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}/edit          theirs         login  404    404    404    200    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}/edit          ours/theirs    login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}/edit          ours/unknown   login  403    404    404    404    403    404    404    login  password
GET  /t/{tenant}/schedules/{id}/edit          ours/malformed login  refused 404    404    404    refused 404    404    login  password
GET  /t/{tenant}/schedules/{id}/edit          unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/schedules/{id}/edit          ours           login  403    422    422    404    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/edit          theirs         login  404    404    404    422    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/edit          ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/edit          ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/edit          ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/schedules/{id}/edit          unknown        login  404    404    404    404    404    404    404    login  password

POST /t/{tenant}/schedules/{id}/delete        ours           login  403    303    303    404    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/delete        theirs         login  404    404    404    303    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/delete        ours/theirs    login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/delete        ours/unknown   login  403    404    404    404    403    404    404    login  password
POST /t/{tenant}/schedules/{id}/delete        ours/malformed login  refused 404    404    404    refused 404    404    login  password
POST /t/{tenant}/schedules/{id}/delete        unknown        login  404    404    404    404    404    404    404    login  password
";

/// The fields that a route's form is posted with: enough to reach the handler, and changing as little as possible.
fn fields(route: &str) -> &'static [(&'static str, &'static str)] {
    match route {
        "/login" => &[("username", "mia"), ("password", PASSWORD)],
        "/language" => &[("language", "en"), ("return_to", "/")],
        "/invitations/accept" | "/invitations/decline" => &[("invitation", "999999999")],
        "/account/sessions/end" => &[("session", "none")],
        "/t/{tenant}/settings/message-channel" => &[("mode", "system")],
        "/t/{tenant}/alerts/{id}" => &[("what", "finish")],
        _ => &[],
    }
}

/// Whether posting this route may end the session it is posted in, or make it another.
fn ends_the_session(route: &str) -> bool {
    ["/login", "/logout", "/account/password"].contains(&route)
}

/// The visitors, in the table's order: the username, or none.
const VISITORS: [(&str, Option<&str>); 10] = [
    ("anonymous", None),
    ("member", Some("mia")),
    ("system", Some("sam")),
    ("super", Some("sue")),
    ("foreign", Some("theo")),
    ("instance", Some("root")),
    ("clerk", Some("clerk")),
    ("disabled", Some("dan")),
    ("expired", Some("eve")),
    ("newcomer", Some("nora")),
];

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// GET or POST.
    pub method: Method,
    /// The path's pattern.
    pub route: &'static str,
    /// What stands for the pattern's names.
    pub object: &'static str,
    /// What each of the visitors is answered.
    pub answers: Vec<&'static str>,
}

impl Row {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.route)
    }

    /// The path, with the object in it. What a post may change is made anew for each.
    async fn path(&self, app: &TestApp, town: &Town) -> String {
        let (tenant, id) = self.object.split_once('/').unwrap_or((self.object, self.object));
        let slug = if tenant == "malformed" { "no%20slug%21" } else { tenant };
        let id = match id {
            "unknown" => "999999999".to_owned(),
            "malformed" => "7x".to_owned(),
            _ => self.id(app, town, id).await,
        };
        let route = self.route.replace("{channel}", "dingtalk").replace("{reason}", "firing");
        route.replace("{tenant}", slug).replace("{file}", "none.css").replace("{id}", &id)
    }

    /// The id of a thing that belongs to a tenant.
    async fn id(&self, app: &TestApp, town: &Town, whose: &str) -> String {
        if !self.route.contains("{id}") {
            return String::new();
        }
        let tenant = if whose == "theirs" { town.theirs } else { town.ours };
        let fresh = format!("fresh-{:x}", app.next_number());
        if self.route.contains("/members/") {
            return app.member(tenant, &fresh, Role::Member).await.to_string();
        }
        if self.route.contains("/portals/") {
            return app.portal(tenant, &fresh).await.to_string();
        }
        if self.route.contains("/alerts/") {
            return app.alert(tenant, &fresh).await.to_string();
        }
        if self.route.contains("/deliveries/") {
            let member = if whose == "theirs" { town.tom } else { town.mia };
            // One that has ended: the delivery worker does nothing to it while somebody looks whether anything changes.
            return app.unreached(tenant, member, DeliveryReason::NoContact).await.to_string();
        }
        if self.route.contains("/groups/") {
            return app.group(tenant, &fresh).await.to_string();
        }
        if self.route.contains("/schedules/") {
            let username = if whose == "theirs" { "tom" } else { "mia" };
            return app.schedule(tenant, &fresh, username).await.to_string();
        }
        if self.route.contains("/alert-rules/") {
            return app.rule(tenant, &fresh).await.to_string();
        }
        if self.route.contains("/tenants/") {
            return app.tenant(&fresh, &format!("owner-of-{fresh}")).await.to_string();
        }
        panic!("say in permissions.rs what {{id}} is in {}", self.route)
    }
}

/// The rows of the table.
pub fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let heading: Vec<&str> = lines.next().expect("a heading").split_whitespace().skip(2).collect();
    assert_eq!(heading, VISITORS.map(|(name, _)| name));
    lines
        .map(|line| {
            let words: Vec<&'static str> = line.split_whitespace().collect();
            assert_eq!(words.len(), 3 + VISITORS.len(), "{line}");
            let method = words[0].parse().expect("a method");
            Row { method, route: words[1], object: words[2], answers: words[3..].to_vec() }
        })
        .collect()
}

/// Everybody of the table, signed in.
async fn sign_in(app: &TestApp, username: Option<&str>) -> User {
    let mut user = app.visitor();
    if let Some(username) = username {
        app.give_back_code(username).await;
        user.log_in(username, PASSWORD).await.is(303);
    }
    if username == Some("eve") {
        app.age_sessions_of("eve").await;
    }
    user
}

/// The answer in the table's words.
async fn ask(user: &mut User, row: &Row, path: &str) -> String {
    let answer = match row.method {
        Method::GET => user.get(path).await,
        _ => user.post(path, fields(row.route)).await,
    };
    match (answer.status, answer.header("location")) {
        (303, Some(to)) if to.starts_with("/login") => "login".to_owned(),
        (303, Some("/account/password")) => "password".to_owned(),
        (status, _) => status.to_string(),
    }
}

on_both! {
    async fn everybody_is_answered_as_the_table_says(app: &TestApp) {
        let town = app.settle().await;
        let mut users = Vec::new();
        for (_, username) in VISITORS {
            users.push(sign_in(app, username).await);
        }
        let mut differences = Vec::new();
        for row in rows() {
            for (place, (visitor, username)) in VISITORS.into_iter().enumerate() {
                let path = row.path(app, &town).await;
                let mut own;
                let user = if row.method == Method::POST && ends_the_session(row.route) {
                    own = sign_in(app, username).await;
                    &mut own
                } else {
                    &mut users[place]
                };
                let answer = ask(user, &row, &path).await;
                let expected = row.answers[place];
                let refused = expected == "refused" && ["403", "404"].contains(&answer.as_str());
                if answer != expected && !refused {
                    differences.push(format!("{} ({}) {visitor}: {answer}, not {expected}", row.name(), row.object));
                }
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}

#[test]
fn every_route_has_its_rows_and_every_row_its_route() {
    let mut objects: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in rows() {
        assert!(objects.entry(row.name()).or_default().insert(row.object), "{row:?} stands there twice");
    }
    let routes = routes(include_str!("../../src/routes.rs"));
    let with_rows: BTreeSet<String> = objects.keys().cloned().collect();
    assert_eq!(routes, with_rows, "routes of src/routes.rs, and routes in the table");
    for (route, objects) in objects {
        let needed: &[&str] = match (route.contains("{tenant}"), route.contains("{id}")) {
            (true, true) => &["ours", "theirs", "ours/theirs", "ours/unknown", "ours/malformed", "unknown"],
            (true, false) => &["ours", "theirs", "unknown", "malformed"],
            (false, true) => &["ours", "unknown", "malformed"],
            (false, false) => &[],
        };
        let missing: Vec<&&str> = needed.iter().filter(|object| !objects.contains(**object)).collect();
        assert!(missing.is_empty(), "{route} lacks rows for {missing:?}");
    }
}

#[test]
fn the_reader_of_the_routes_sees_every_way_of_writing_one() {
    let text = r#"
        // a comment with resource("/not-a-route")
        config
            .route("/a", get().to(x::a))
            .service(resource("/b/{id}").get(x::b).post(x::c))
            .service(
                resource("/c")
                    .get(x::d),
            )
            .route("/d", post().to(x::e));
    "#;
    let expected = ["GET /a", "GET /b/{id}", "GET /c", "POST /b/{id}", "POST /d"].map(str::to_owned);
    assert_eq!(routes(text), BTreeSet::from(expected));
}

/// The routes that a routes file declares, as `METHOD /path`.
pub fn routes(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code: String = code.split_whitespace().collect();
    let mut routes = BTreeSet::new();
    let mut paths = 0;
    for (place, _) in code.match_indices("(\"/") {
        let rest = &code[place + 2..];
        let (path, after) = rest.split_once('"').expect("a closed text");
        let methods = match after.strip_prefix(',') {
            // .route("/path",get().to(…))
            Some(after) => vec![after.split('(').next().expect("a method")],
            // resource("/path").get(…).post(…)
            None => chained(after.strip_prefix(')').expect("resource(\"/path\")")),
        };
        assert!(!methods.is_empty(), "no method for {path}");
        for method in methods {
            assert!(["get", "post", "put", "patch", "delete", "head"].contains(&method), "{method} {path}");
            assert!(routes.insert(format!("{} {path}", method.to_uppercase())), "{method} {path} stands there twice");
        }
        paths += 1;
    }
    assert_eq!(code.matches("\"/").count(), paths, "a path is written in a way that this reader does not know");
    routes
}

/// The names of the calls in `.get(x).post(y)…`.
fn chained(mut code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    while let Some((name, rest)) = code.strip_prefix('.').and_then(|code| code.split_once('(')) {
        let mut depth = 1;
        let end = rest
            .find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            })
            .expect("a closed call");
        names.push(name);
        code = &rest[end + 1..];
    }
    names
}

/// For other walks over the routes: every unsafe route with the first visitor who reaches its handler, the path, the
/// fields, and the answer that the table promises him.
pub async fn unsafe_requests(app: &TestApp, town: &Town) -> Vec<UnsafeRequest> {
    let mut requests = Vec::new();
    for row in rows().into_iter().filter(|row| row.method != Method::GET && ["-", "ours"].contains(&row.object)) {
        // Sessions count for nothing there, so that there is nothing to misuse.
        if row.route.starts_with("/intake/") {
            continue;
        }
        let reached = |answer: &str| !["login", "password", "403", "404"].contains(&answer);
        let place = row.answers.iter().rposition(|answer| reached(answer)).unwrap_or(0);
        let username = VISITORS[place].1;
        let path = row.path(app, town).await;
        requests.push(UnsafeRequest { username, path, fields: fields(row.route), answer: row.answers[place] });
    }
    requests
}

/// See [`unsafe_requests`].
pub struct UnsafeRequest {
    pub username: Option<&'static str>,
    pub path: String,
    pub fields: &'static [(&'static str, &'static str)],
    pub answer: &'static str,
}

impl UnsafeRequest {
    /// The visitor, signed in anew.
    pub async fn visitor(&self, app: &TestApp) -> User {
        sign_in(app, self.username).await
    }
}
