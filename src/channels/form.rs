//! The form of Message Channel Settings.

use serde::Deserialize;

use super::{Mode, Switches};
use crate::{robots::Channel, web::FieldErrors};

/// The tenant's page; the instance's has the switches alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Channels {
    /// The radio Channel Settings.
    pub mode: String,
    /// The switches that are on.
    pub on: Vec<String>,
}

impl Channels {
    /// The switches. A channel that does not exist is an error.
    pub fn switches(&self) -> Result<Switches, FieldErrors> {
        let channels: Option<Vec<Channel>> = self.on.iter().map(|word| Channel::parse(word)).collect();
        channels.map(Switches::on).ok_or_else(|| FieldErrors::one("on", "form-choose"))
    }

    /// The mode and the switches.
    pub fn check(&self) -> Result<(Mode, Switches), FieldErrors> {
        let mode = Mode::parse(&self.mode).ok_or_else(|| FieldErrors::one("mode", "form-choose"))?;
        Ok((mode, self.switches()?))
    }
}
