//! What a portal's page shows to whoever connects it: a ready form, a ready `curl` line, and the recipe that signs forms.

use askama::Template;
use chrono::NaiveDateTime;

use super::{
    model::{Details, FORM_LASTS},
    signing::{SIGNATURE, sign},
};
use crate::{
    db::PortalId,
    error::{Error, Result},
    secrets::PlainToken,
};

/// A door, and what is posted to it by way of example.
#[derive(Clone, Copy, Debug)]
struct Sample {
    path: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

const ALERT: Sample = Sample {
    path: "/intake/alerts",
    fields: &[
        ("title", "Disk full on db-7"),
        ("content", "93 % of /var are used."),
        ("severity", "info"),
        ("key", "disk-db-7"),
    ],
};
const RESOLVED: Sample = Sample {
    path: "/intake/alerts",
    fields: &[("title", "Disk full on db-7"), ("key", "disk-db-7"), ("status", "resolved")],
};
const MEMBER: Sample = Sample {
    path: "/intake/members",
    fields: &[("username", "li.wang"), ("display_name", "Li Wang"), ("phone", "+86 138 0013 8000")],
};

/// The examples of one portal.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Lines for the shell, for each door that the portal may use: an alert, its end, a member.
    pub curl: Vec<String>,
    /// A form as HTML that is signed, and can be sent once.
    pub form: String,
    /// The recipe in Python, with nothing but its standard library.
    pub python: String,
    /// The recipe in Java, with nothing but the JDK.
    pub java: String,
    /// The configuration of Prometheus Alertmanager that posts here.
    pub alertmanager: String,
    /// The provisioning file of Grafana that posts here.
    pub grafana: String,
}

/// What a monitoring system's configuration names.
#[derive(Template)]
#[template(path = "portals/recipe_alertmanager.txt")]
struct Alertmanager<'e> {
    origin: &'e str,
    token: &'e str,
}

/// See [`Alertmanager`].
#[derive(Template)]
#[template(path = "portals/recipe_grafana.txt")]
struct Grafana<'e> {
    origin: &'e str,
    token: &'e str,
}

/// What stands for a token that is not shown.
const TOKEN: &str = "THE_TOKEN_OF_THIS_PORTAL";

#[derive(Template)]
#[template(path = "portals/form.html")]
struct FormExample<'e> {
    action: String,
    fields: &'e [(String, String)],
}

#[derive(Template)]
#[template(path = "portals/recipe_python.txt")]
struct Python<'e> {
    portal: PortalId,
    action: &'e str,
    fields: &'e [(&'static str, &'static str)],
}

#[derive(Template)]
#[template(path = "portals/recipe_java.txt")]
struct Java<'e> {
    portal: PortalId,
    action: &'e str,
    fields: &'e [(&'static str, &'static str)],
}

impl Examples {
    /// The examples of a portal at this origin of ours, with its present signing key, and its token while that is shown.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(
        origin: &str,
        portal: PortalId,
        details: &Details,
        signing_key: &str,
        token: Option<&PlainToken>,
        now: NaiveDateTime,
    ) -> Result<Self> {
        let doors = [(ALERT, details.fires_alerts), (RESOLVED, details.fires_alerts), (MEMBER, details.saves_members)];
        let doors: Vec<Sample> = doors.into_iter().filter(|(_, may)| *may).map(|(sample, _)| sample).collect();
        let sample = doors.first().copied().unwrap_or(ALERT);
        let action = format!("{origin}{}", sample.path);
        let python = Python { portal, action: &action, fields: sample.fields }.render().map_err(Error::internal)?;
        let java = Java { portal, action: &action, fields: sample.fields }.render().map_err(Error::internal)?;
        let fields = signed(portal, details, sample, signing_key, now)?;
        let form = FormExample { action, fields: &fields }.render().map_err(Error::internal)?;
        let curl = doors.iter().map(|door| curl(origin, *door, token)).collect();
        let token = token.map_or(TOKEN, PlainToken::expose);
        let (alertmanager, grafana) = configurations(origin, token)?;
        Ok(Self { curl, form, python, java, alertmanager, grafana })
    }

    /// Puts the token into the configurations of monitoring systems, which name it in the clear.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn fill_in(&mut self, origin: &str, token: &PlainToken) -> Result<()> {
        (self.alertmanager, self.grafana) = configurations(origin, token.expose())?;
        Ok(())
    }
}

/// The configurations of Alertmanager and of Grafana.
fn configurations(origin: &str, token: &str) -> Result<(String, String)> {
    let alertmanager = Alertmanager { origin, token }.render().map_err(Error::internal)?;
    Ok((alertmanager, Grafana { origin, token }.render().map_err(Error::internal)?))
}

/// The fields of a form that can be sent once from now on.
fn signed(
    portal: PortalId,
    details: &Details,
    sample: Sample,
    signing_key: &str,
    now: NaiveDateTime,
) -> Result<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> =
        sample.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    if let Some(origin) = details.return_origins.first() {
        add("return_to", format!("{origin}/"));
    }
    add("portal", portal.to_string());
    add("expires", (now + FORM_LASTS).and_utc().timestamp().to_string());
    add("nonce", PlainToken::generate()?.expose().to_owned());
    let signature = sign(&fields, signing_key);
    fields.push((SIGNATURE.to_owned(), signature));
    Ok(fields)
}

/// In single quotes nothing means anything to a shell; no value of ours holds one.
fn curl(origin: &str, sample: Sample, token: Option<&PlainToken>) -> String {
    let proof = match token {
        Some(token) => format!("'Authorization: Bearer {}'", token.expose()),
        None => "\"Authorization: Bearer $BELFRY_TOKEN\"".to_owned(),
    };
    let fields: Vec<String> =
        sample.fields.iter().map(|(name, value)| format!(" --data-urlencode '{name}={value}'")).collect();
    format!("curl --fail-with-body '{origin}{}' -H {proof}{}", sample.path, fields.concat())
}
