//! The browser tests: headless Chromium on the whole product, as people see it.
//!
//! `path` walks the whole path with JavaScript off, in both languages; `pages` looks at every page with axe-core, in
//! both languages, light and dark, wide and narrow. They need `chromedriver` and `chromium` (Debian: `chromium-driver`)
//! and axe-core (`npm ci` in this folder).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod driver;
mod fill;
mod first_steps;
mod layout;
mod pages;
mod path;
mod site;
mod words;
