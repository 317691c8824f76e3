//! The form of Message Channel Settings.

use serde::{Deserialize, Serialize};

use super::{Mode, Settings, Switches};
use crate::{
    robots::Channel,
    web::{EditForm as _, FieldErrors, FormVersion, impl_edit_form},
};

/// The tenant's page; the instance's has the switches alone.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Channels {
    /// The radio Channel Settings.
    pub mode: String,
    /// The switches that are on.
    pub on: Vec<String>,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(Channels);

impl Channels {
    /// The form as a page shows it: a tenant's with its mode, and with the switches that apply.
    #[must_use]
    pub fn showing(mode: Option<Mode>, switches: &Switches) -> Self {
        let on = Channel::ALL.into_iter().filter(|channel| switches.is_on(channel));
        Self {
            mode: mode.map(Mode::as_str).unwrap_or_default().to_owned(),
            on: on.map(|channel| channel.as_str().to_owned()).collect(),
            form_version: FormVersion::default(),
        }
        .with_version()
    }

    /// Whether the switch of a channel is on.
    #[must_use]
    pub fn is_on(&self, channel: &Channel) -> bool {
        self.on.iter().any(|word| word == channel.as_str())
    }

    /// The switches. A channel that does not exist is an error.
    pub fn switches(&self) -> Result<Switches, FieldErrors> {
        let channels: Option<Vec<Channel>> = self.on.iter().map(|word| Channel::parse(word)).collect();
        channels.map(Switches::on).ok_or_else(|| FieldErrors::single("on", "form-choose"))
    }

    /// What a tenant's page asks for: the mode, and the switches of Tenant Custom. Who leaves System Default chosen and
    /// moves a switch means the switch, so that Tenant Custom is what applies from then on.
    pub fn check(&self, before: &Settings) -> Result<(Mode, Switches), FieldErrors> {
        let mode = Mode::parse(&self.mode).ok_or_else(|| FieldErrors::single("mode", "form-choose"));
        let (mode, switches) = match (mode, self.switches()) {
            (Ok(mode), Ok(switches)) => (mode, switches),
            (mode, switches) => {
                let faults = mode.err().into_iter().chain(switches.err());
                return Err(FieldErrors(faults.flat_map(|errors| errors.0).collect()));
            }
        };
        Ok(match mode {
            Mode::Custom => (Mode::Custom, switches),
            Mode::System if self.moves_a_switch(before, &switches) => (Mode::Custom, switches),
            Mode::System => (Mode::System, before.custom.clone()),
        })
    }

    /// Whether the form showed System Default and comes back with other switches. One that was not opened first says so
    /// only by a switch that is on where System Default's is off.
    fn moves_a_switch(&self, before: &Settings, switches: &Switches) -> bool {
        if self.form_version.is_absent() {
            let turned_on = |channel| switches.is_on(channel) && !before.system.is_on(channel);
            return before.mode == Mode::System && Channel::ALL.iter().any(turned_on);
        }
        !self.form_version.field_differs("mode", self) && self.form_version.field_differs("on", self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Channel; 0] = [];

    fn settings(mode: Mode) -> Settings {
        Settings { mode, custom: Switches::on([Channel::WeCom]), system: Switches::on([Channel::Lark]) }
    }

    fn posted(shown: &Settings, mode: Mode, on: &[Channel]) -> (Mode, Switches) {
        let page = Channels::showing(Some(shown.mode), shown.effective());
        let form = Channels::showing(Some(mode), &Switches::on(on.to_vec()));
        Channels { form_version: page.form_version, ..form }.check(shown).unwrap()
    }

    #[test]
    fn a_switch_moved_under_system_default_selects_tenant_custom() {
        let shown = settings(Mode::System);
        for on in [&[Channel::DingTalk, Channel::Lark][..], &[Channel::DingTalk], &NONE] {
            assert_eq!(posted(&shown, Mode::System, on), (Mode::Custom, Switches::on(on.to_vec())));
        }
        assert_eq!(posted(&shown, Mode::System, &[Channel::Lark]), (Mode::System, Switches::on([Channel::WeCom])));
    }

    #[test]
    fn choosing_system_default_is_not_undone_by_the_switches_that_were_shown() {
        let shown = settings(Mode::Custom);
        for on in [&[Channel::WeCom][..], &[Channel::DingTalk], &NONE] {
            assert_eq!(posted(&shown, Mode::System, on), (Mode::System, Switches::on([Channel::WeCom])));
        }
        assert_eq!(posted(&shown, Mode::Custom, &NONE), (Mode::Custom, Switches::default()));
    }

    #[test]
    fn a_form_that_was_not_opened_first_means_what_it_says() {
        let form = |on: &[&str]| Channels {
            mode: "system".into(),
            on: on.iter().map(|word| (*word).to_owned()).collect(),
            form_version: FormVersion::default(),
        };
        assert_eq!(form(&[]).check(&settings(Mode::System)).unwrap().0, Mode::System);
        assert_eq!(form(&["lark"]).check(&settings(Mode::System)).unwrap().0, Mode::System);
        assert_eq!(form(&["dingtalk"]).check(&settings(Mode::System)).unwrap().0, Mode::Custom);
        assert_eq!(form(&["dingtalk"]).check(&settings(Mode::Custom)).unwrap().0, Mode::System);
    }
}
