//! Robots in the bench's own process, on a thread of their own: so that a message and its receipt are timed by one clock.

use std::{net::TcpListener, thread};

use belfry::{
    clock::Clock,
    sandbox::{Group, RobotKind, Sandbox},
};

use crate::crew::{CREW, token};

/// A sandbox with the robots of a crew, the first of which has this number, and where it is.
pub fn start(first: u64) -> (Sandbox, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let sandbox = Sandbox::new(Clock::default());
    for number in first..first + CREW {
        sandbox.add_robot(RobotKind::DingTalk, &token(number), Group::default());
    }
    let served = sandbox.clone();
    thread::spawn(move || {
        actix_web::rt::System::new()
            .block_on(async { served.serve(listener).expect("a server").await })
            .expect("robots");
    });
    (sandbox, origin)
}
