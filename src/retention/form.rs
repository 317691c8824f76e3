//! The form of Data Retention Settings.

use serde::{Deserialize, Serialize};

use super::Retention;
use crate::text::whole_number;
use crate::web::{EditForm as _, FieldErrors, FormVersion, impl_edit_form, validate_form};

/// Data Retention Settings, as they were typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Typed {
    /// Days for finished alert events.
    pub alert_days: String,
    /// Days for other deliveries.
    pub delivery_days: String,
    /// Days for the audit log.
    pub audit_days: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(Typed);

/// The fields of the page.
pub const SAVED_FIELDS: [&str; 3] = ["alert_days", "delivery_days", "audit_days"];

impl From<Retention> for Typed {
    fn from(settings: Retention) -> Self {
        Self {
            alert_days: settings.alert_days.to_string(),
            delivery_days: settings.delivery_days.to_string(),
            audit_days: settings.audit_days.to_string(),
            form_version: FormVersion::default(),
        }
        .with_version()
    }
}

impl Typed {
    /// The numbers.
    ///
    /// # Errors
    /// Every mistake, by field.
    pub fn check(&self) -> Result<Retention, FieldErrors> {
        // What is no number is outside every range, and is told so in the same words.
        let number = |text: &str| whole_number(text).unwrap_or(i64::MIN);
        let settings = Retention {
            alert_days: number(&self.alert_days),
            delivery_days: number(&self.delivery_days),
            audit_days: number(&self.audit_days),
        };
        validate_form(&settings).map(|()| settings)
    }
}
