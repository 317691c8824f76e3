//! The form of Data Retention Settings.

use serde::Deserialize;

use super::Retention;
use crate::web::{FieldErrors, validated};

/// Data Retention Settings, as they were typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    /// Days for finished alert events.
    pub alert_days: String,
    /// Days for other deliveries.
    pub delivery_days: String,
    /// Days for the audit log.
    pub audit_days: String,
}

impl From<Retention> for Typed {
    fn from(settings: Retention) -> Self {
        Self {
            alert_days: settings.alert_days.to_string(),
            delivery_days: settings.delivery_days.to_string(),
            audit_days: settings.audit_days.to_string(),
        }
    }
}

impl Typed {
    /// The numbers.
    ///
    /// # Errors
    /// Every mistake, by field.
    pub fn check(&self) -> Result<Retention, FieldErrors> {
        // What is no number is outside every range, and is told so in the same words.
        let number = |text: &str| text.trim().parse().unwrap_or(i64::MIN);
        let settings = Retention {
            alert_days: number(&self.alert_days),
            delivery_days: number(&self.delivery_days),
            audit_days: number(&self.audit_days),
        };
        validated(&settings).map(|()| settings)
    }
}
