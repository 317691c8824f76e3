//! Chromium, steered over WebDriver: one driver and one browser for each test, gone when the test ends, however it ends.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    panic::AssertUnwindSafe,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use belfry::language::Language;
use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::Element,
    error::CmdError,
    key::Key,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// Owns the driver and its browsers: it reads a pipe whose other end this process holds, so that they end with this
/// process, killed or not. $1 is the folder that the browser writes to. Only the driver holds the pipe it speaks into,
/// so that who reads there sees when it is gone.
const GUARD: &str = r#"
setsid chromedriver --port=0 &
driver=$!
exec >/dev/null
cat
kill -s KILL -- "-$driver" 2>/dev/null
wait
rm -rf "$1"
"#;

/// How often a driver is started that gives up: it takes a free port of IPv4 and then the same of IPv6, which somebody
/// else may have.
const STARTS: usize = 5;

/// How long a whole test may take; it takes about two minutes on a slow machine.
const LIMIT: Duration = Duration::from_secs(900);

/// How long a browser may take to show what a click leads to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running chromedriver.
struct Driver {
    guard: Child,
    url: String,
    folder: std::path::PathBuf,
}

impl Driver {
    fn start() -> Self {
        let started = (0..STARTS).find_map(|_| Self::try_start());
        started.expect("The browser tests need chromedriver: apt-get install chromium-driver.")
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("belfry-browser-").tempdir().expect("a temporary folder").keep();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .current_dir("/")
            .spawn()
            .expect("sh starts");
        let lines = BufReader::new(guard.stdout.take().expect("a pipe")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let mut driver = Self { guard, url: String::new(), folder };
        driver.url = format!("http://127.0.0.1:{}", port?);
        Some(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

/// Runs one test with a browser of its own that speaks this language. With JavaScript off, no page can run any.
pub async fn with_browser(language: Language, javascript: bool, test: impl AsyncFnOnce(&Browser)) {
    let driver = Driver::start();
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities(&driver, language, javascript));
    let client = builder.connect(&driver.url).await.expect("the browser starts");
    let browser = Browser { client: client.clone() };
    let limited = async { tokio::time::timeout(LIMIT, test(&browser)).await.expect("a test ends in time") };
    let result = AssertUnwindSafe(limited).catch_unwind().await;
    if result.is_err() {
        // What the browser showed at the end says more than the line that failed.
        let text = browser.text("body").await;
        eprintln!("The browser was at {}, which said:\n{text}", browser.address().await);
    }
    drop(client.close().await);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn capabilities(driver: &Driver, language: Language, javascript: bool) -> Capabilities {
    let profile = format!("--user-data-dir={}", driver.folder.join("profile").display());
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--disable-breakpad",
        "--window-size=1280,900",
        &profile,
    ];
    let options = json!({
        "args": arguments,
        "prefs": {
            "intl.accept_languages": language.tag(),
            // 1 allows, 2 blocks.
            "profile.managed_default_content_settings.javascript": if javascript { 1 } else { 2 },
        },
    });
    Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)])
}

/// A command of the DevTools protocol, which chromedriver passes on to Chromium.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}

/// A browser window, and what a person does with it. Whatever cannot be done fails the test.
pub struct Browser {
    client: Client,
}

impl Browser {
    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|fault| panic!("{url}: {fault}"));
    }

    /// Loads a page again until the text of a CSS selector is as expected; false when it is not within `timeout`.
    ///
    /// The sandbox has a message before Belfry has recorded its answer, so a page may be asked between the two.
    pub async fn reload_until(
        &self,
        url: &str,
        selector: &str,
        is_expected: impl Fn(&str) -> bool,
        timeout: Duration,
    ) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            self.go(url).await;
            if is_expected(&self.text(selector).await) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where it is: the path with its query.
    pub async fn address(&self) -> String {
        let url = self.client.current_url().await.expect("an address");
        url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    }

    /// The text that the first element of a CSS selector shows; empty when there is none.
    pub async fn text(&self, selector: &str) -> String {
        match self.client.find(Locator::Css(selector)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// The field behind a label, in the dialog when one is open.
    pub async fn field(&self, label: &str) -> Field {
        let found = self.labelled(label).await;
        Field { element: found.unwrap_or_else(|fault| panic!("no field {label}: {fault}")), name: label.to_owned() }
    }

    async fn labelled(&self, label: &str) -> Result<Element, CmdError> {
        let text = format!("normalize-space()='{label}'");
        let path = format!("{}//label[{text}]", self.scope().await);
        let element = self.client.find(Locator::XPath(&path)).await?;
        match element.attr("for").await? {
            Some(id) => self.client.find(Locator::Id(&id)).await,
            None => element.find(Locator::Css("input, select")).await,
        }
    }

    /// Presses the button of this text, in the dialog when one is open, and waits for the page behind it.
    pub async fn press(&self, button: &str) {
        let path = format!("{}//button[normalize-space()='{button}']", self.scope().await);
        self.click_through(&path, button).await;
    }

    /// Follows the link of this text, in the dialog when one is open.
    pub async fn follow(&self, link: &str) {
        let path = format!("{}//a[normalize-space()='{link}']", self.scope().await);
        self.click_through(&path, link).await;
    }

    /// Follows the button among the first steps, or the one to the next of them, that is not done yet.
    pub async fn follow_next_step(&self) {
        let path = "(//*[@id='first-steps' or @id='next-step']//a[@class='button'])[1]";
        self.click_through(path, "the next step").await;
    }

    /// Follows a link of this text in the table row that has this text too.
    pub async fn follow_in_row(&self, row: &str, link: &str) {
        let path = format!("//tr[td[normalize-space()='{row}']]//a[normalize-space()='{link}']");
        self.click_through(&path, link).await;
    }

    async fn click_through(&self, path: &str, name: &str) {
        let element = self.client.find(Locator::XPath(path)).await;
        let element = element.unwrap_or_else(|fault| panic!("nothing to click called {name}: {fault}"));
        let page = self.client.find(Locator::Css("html")).await.expect("a page");
        element.click().await.unwrap_or_else(|fault| panic!("{name} cannot be clicked: {fault}"));
        self.wait_for_new_page(page, name).await;
    }

    /// A page is new when the root of the old one is gone.
    async fn wait_for_new_page(&self, old: Element, name: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while old.tag_name().await.is_ok() {
            assert!(tokio::time::Instant::now() < deadline, "{name} leads nowhere");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn scope(&self) -> &'static str {
        if self.client.find(Locator::Css("dialog[open]")).await.is_ok() { "//dialog" } else { "" }
    }

    /// What a script answers. In a browser with JavaScript off this still works, but nothing that waits does.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Runs a script that submits a form, and waits for the page behind it.
    pub async fn submit_by_script(&self, script: &str, arguments: Vec<Value>) {
        let page = self.client.find(Locator::Css("html")).await.expect("a page");
        self.script(script, arguments).await;
        self.wait_for_new_page(page, "the form").await;
    }

    /// What a script hands to its last argument, a function.
    pub async fn waiting_script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute_async(script, arguments).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Shows pages this wide, in CSS pixels.
    pub async fn width(&self, width: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Shows pages to somebody who prefers them `light` or `dark`, and still: no colour is caught on its way.
    pub async fn scheme(&self, scheme: &str) {
        let still = json!({"name": "prefers-reduced-motion", "value": "reduce"});
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}, still]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Shows pages as they are printed, or on a screen again.
    pub async fn print(&self, is_printed: bool) {
        let media = if is_printed { "print" } else { "" };
        self.devtools("Emulation.setEmulatedMedia", json!({"media": media, "features": []})).await;
    }

    /// Logs out without asking the page.
    pub async fn forget_cookies(&self) {
        self.devtools("Network.clearBrowserCookies", json!({})).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let body = DevTools(json!({"cmd": command, "params": parameters}));
        self.client.issue_cmd(body).await.unwrap_or_else(|fault| panic!("{command}: {fault}"));
    }
}

/// A field of a form.
pub struct Field {
    element: Element,
    name: String,
}

impl Field {
    /// Types into it, in place of what is there.
    pub async fn fill(&self, text: &str) {
        self.element.clear().await.unwrap_or_else(|fault| panic!("{}: {fault}", self.name));
        self.element.send_keys(text).await.unwrap_or_else(|fault| panic!("{}: {fault}", self.name));
    }

    /// Chooses what a list calls this.
    pub async fn choose(&self, text: &str) {
        self.element.select_by_label(text).await.unwrap_or_else(|fault| panic!("{}: {fault}", self.name));
    }

    /// Ticks it, chooses it or switches it on, by the keyboard as well as any click would.
    pub async fn switch_on(&self) {
        if !self.is_on().await {
            self.element.send_keys(&char::from(Key::Space).to_string()).await.unwrap();
        }
        assert!(self.is_on().await, "{} is on", self.name);
    }

    /// Whether it is ticked, chosen or on.
    pub async fn is_on(&self) -> bool {
        self.element.is_selected().await.unwrap_or_else(|fault| panic!("{}: {fault}", self.name))
    }

    /// What is typed in it.
    pub async fn value(&self) -> String {
        self.element.prop("value").await.unwrap().unwrap_or_default()
    }

    /// The text of the error beside it; empty when there is none.
    pub async fn fault(&self, browser: &Browser) -> String {
        if self.element.attr("aria-invalid").await.unwrap().as_deref() != Some("true") {
            return String::new();
        }
        let ids = self.element.attr("aria-describedby").await.unwrap().unwrap_or_default();
        let error = ids.split_whitespace().find(|id| id.starts_with("e-")).expect("a field at fault names its error");
        browser.text(&format!("#{error}")).await
    }
}
