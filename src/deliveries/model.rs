//! How the record names the states of a delivery.

use crate::courier::DeliveryState;

/// The key of a state's name on pages.
#[must_use]
pub const fn state_key(state: &DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "deliveries-waiting",
        DeliveryState::Sending => "deliveries-sending",
        DeliveryState::Success => "deliveries-success",
        DeliveryState::Failed => "deliveries-failed",
    }
}

/// How a state looks: the class of its badge in the stylesheet.
#[must_use]
pub const fn state_badge(state: &DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting | DeliveryState::Sending => "wait",
        DeliveryState::Success => "good",
        DeliveryState::Failed => "bad",
    }
}
