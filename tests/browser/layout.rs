//! At every width, and on paper, no cell covers another, dialogs stand in the middle, and usernames break where a reader would.

use belfry::language::Language;
use serde_json::json;

use crate::{
    driver::{Browser, with_browser},
    fill::fill,
    site::{PASSWORD, Site},
    words::words,
};

/// From a telephone to a large screen, in CSS pixels, with both sides of where the layout changes.
const WIDTHS: [u32; 8] = [375, 640, 768, 832, 833, 1000, 1280, 1920];
/// The width of an A4 page, in CSS pixels.
const PAPER: u32 = 794;

/// Two cells of one row that lie over each other, by their texts.
const COVERED: &str = "
    const seen = cell => { const box = cell.getBoundingClientRect(); return box.width > 1 && box.right > 0 && box; };
    for (const row of document.querySelectorAll('tbody tr')) {
        const cells = [...row.children].map(cell => [cell, seen(cell)]).filter(([, box]) => box);
        for (const [index, [cell, box]] of cells.entries()) {
            for (const [other, next] of cells.slice(index + 1)) {
                const apart = box.right <= next.left + 1 || next.right <= box.left + 1
                    || box.bottom <= next.top + 1 || next.bottom <= box.top + 1;
                if (!apart) return cell.textContent.trim().slice(0, 60) + ' | ' + other.textContent.trim().slice(0, 60);
            }
        }
    }
    return '';";

/// How far the dialog's middle is from that of the room beside the scroll bar, in pixels.
const OFF_CENTRE: &str = "
    const dialog = document.querySelector('dialog');
    const box = dialog.getBoundingClientRect();
    return Math.abs((box.left + box.right) / 2 - dialog.parentElement.clientWidth / 2);";

/// A username of which a line ends elsewhere than after a separator.
const BROKEN_NAME: &str = "
    for (const name of document.querySelectorAll('.username')) {
        for (const text of [...name.childNodes].filter(node => node.nodeType === 3)) {
            const range = document.createRange();
            range.selectNodeContents(text);
            if (range.getClientRects().length > 1) return name.textContent;
        }
    }
    return '';";

/// What can only be clicked and would be printed all the same.
const PRINTED: &str = "
    const found = [...document.querySelectorAll('nav, .bar-end, .filters, .actions')].find(part => part.offsetParent);
    return found ? found.outerHTML.slice(0, 100) : '';";

#[test]
fn nothing_covers_anything_at_any_width_or_on_paper() {
    actix_web::rt::System::new().block_on(async {
        let site = Site::start().await;
        with_browser(Language::English, true, async |browser| {
            let places = fill(&site).await;
            let words = words(Language::English);
            browser.go(&format!("{}/login", site.origin)).await;
            browser.field(words.username).await.fill("root").await;
            browser.field(words.password).await.fill(PASSWORD).await;
            browser.press(words.log_in).await;
            let edit = format!("/t/filled/members/{}/edit", places.mia);
            let pages =
                ["", "/members", "/deliveries", "/alerts", "/alert-rules", "/groups", "/audit", "/settings/portals"];
            let mut faults = Vec::new();
            for width in WIDTHS {
                browser.width(width).await;
                for page in pages {
                    browser.go(&format!("{}/t/filled{page}", site.origin)).await;
                    for (what, script) in [("covered", COVERED), ("broken name", BROKEN_NAME)] {
                        note(browser, &mut faults, &format!("{page} at {width}: {what}"), script).await;
                    }
                }
                browser.go(&format!("{}{edit}", site.origin)).await;
                let off = browser.script(OFF_CENTRE, vec![]).await.as_f64().unwrap_or(f64::MAX);
                if off > 1.0 {
                    faults.push(format!("the dialog at {width}: {off} pixels off the middle"));
                }
            }
            browser.width(PAPER).await;
            browser.print(true).await;
            for page in pages {
                browser.go(&format!("{}/t/filled{page}", site.origin)).await;
                for (what, script) in [("covered", COVERED), ("printed", PRINTED)] {
                    note(browser, &mut faults, &format!("{page} on paper: {what}"), script).await;
                }
            }
            assert!(faults.is_empty(), "{}", faults.join("\n"));
        })
        .await;
    });
}

async fn note(browser: &Browser, faults: &mut Vec<String>, place: &str, script: &str) {
    let found = browser.script(script, vec![]).await;
    if found != json!("") {
        faults.push(format!("{place}: {}", found.as_str().map_or_else(|| found.to_string(), str::to_owned)));
    }
}
