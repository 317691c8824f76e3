//! What can be set: a tenant follows the system default or has switches of its own, one for each channel.

use crate::robots::Channel;

/// Where a tenant's switches come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The instance's switches: System Default.
    System,
    /// The tenant's own: Tenant Custom.
    Custom,
}

impl Mode {
    /// Both, as the page lists them.
    pub const ALL: [Self; 2] = [Self::System, Self::Custom];

    /// The word in the database and in the form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Custom => "custom",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }

    /// The key of its name on pages.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::System => "channels-system-default",
            Self::Custom => "channels-tenant-custom",
        }
    }
}

/// The switches of the basic channels. What was never switched is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    on: Vec<Channel>,
}

impl Switches {
    /// The switches where these channels are on and no other.
    #[must_use]
    pub fn on(channels: impl IntoIterator<Item = Channel>) -> Self {
        let chosen: Vec<Channel> = channels.into_iter().collect();
        Self { on: Channel::ALL.into_iter().filter(|channel| chosen.contains(channel)).collect() }
    }

    /// Whether a channel is on.
    #[must_use]
    pub fn is_on(&self, channel: &Channel) -> bool {
        self.on.contains(channel)
    }

    /// Whether none is on.
    #[must_use]
    pub fn all_off(&self) -> bool {
        self.on.is_empty()
    }
}

/// All there is to know of a tenant's channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the tenant's switches come from.
    pub mode: Mode,
    /// The tenant's own switches.
    pub custom: Switches,
    /// The instance's switches.
    pub system: Switches,
}

impl Settings {
    /// The switches that count.
    #[must_use]
    pub fn effective(&self) -> &Switches {
        match self.mode {
            Mode::System => &self.system,
            Mode::Custom => &self.custom,
        }
    }
}

/// The key of a channel's name on pages.
#[must_use]
pub fn channel_key(channel: &Channel) -> &'static str {
    match channel {
        Channel::DingTalk => "channel-dingtalk",
        Channel::Lark => "channel-lark",
        Channel::WeCom => "channel-wecom",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_decides_whose_switches_count() {
        let mut settings = Settings {
            mode: Mode::System,
            custom: Switches::on([Channel::DingTalk]),
            system: Switches::on([Channel::Lark]),
        };
        assert!(settings.effective().is_on(&Channel::Lark) && !settings.effective().is_on(&Channel::DingTalk));
        settings.mode = Mode::Custom;
        assert!(settings.effective().is_on(&Channel::DingTalk) && !settings.effective().is_on(&Channel::Lark));
    }
}
