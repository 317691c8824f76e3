//! Templates are safe whatever is typed into them, and Belfry's own say what they must.

use proptest::prelude::*;

use super::*;

fn alert() -> Variables {
    Variables {
        product: "Dataphin".to_owned(),
        tenant: "north".to_owned(),
        title: "Disk of db-7 [95 %] *full*".to_owned(),
        content: "12 GiB left\n<@all> [x](https://evil.example)".to_owned(),
        content_is_markdown: false,
        severity: "Critical".to_owned(),
        severity_code: "critical".to_owned(),
        source: "prom@west".to_owned(),
        link: "https://monitor.example/a?x=1&y=(2)".to_owned(),
        key: "disk".to_owned(),
        count: 3,
        labels: BTreeMap::from(
            [("team", "dba"), ("instance", "db-7")].map(|(name, value)| (name.into(), value.into())),
        ),
        annotations: BTreeMap::from([("runbook_url".to_owned(), "https://wiki.example/disk".to_owned())]),
        first_at: "2026-11-22 09:00:00".to_owned(),
        last_at: "2026-11-22 09:35:00".to_owned(),
        duration: "35 min".to_owned(),
        recipients: vec!["Li Na".to_owned(), "王伟".to_owned()],
        member: "李娜".to_owned(),
        by: "sam".to_owned(),
    }
}

fn body(source: &str) -> String {
    let source = TemplateSource { title: "{{ product }}".to_owned(), body: source.to_owned() };
    render(&source, &alert()).unwrap().body
}

#[test]
fn neither_a_value_nor_the_template_turns_what_stands_behind_it() {
    let pairs = [("k\u{202b}", "v\u{2067}"), ("m", "n")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let turning = Variables {
        title: "a\u{202e}".to_owned(),
        content: "\u{2066}x\ny".to_owned(),
        labels: BTreeMap::from(pairs),
        recipients: vec!["李娜\u{202e}".to_owned(), "王伟".to_owned()],
        ..alert()
    };
    let title = "\u{2067}{{ title }} {{ product }}".to_owned();
    let body = "\u{202e}{{ content }} 5\n{{ labels }} {{ recipients }}".to_owned();
    let words = render(&TemplateSource { title, body }, &turning).unwrap();
    assert_eq!(words.title, "\u{2067}a\u{202e}\u{202c} Dataphin\u{2069}");
    let lines = [
        "\u{202e}\u{2066}x\u{2069}\u{202c}",
        "y 5",
        "k\u{202b}\u{202c}=v\u{2067}\u{2069}, m=n 李娜\u{202e}\u{202c}, 王伟",
    ];
    assert_eq!(words.body, lines.join("\n"));
}

fn fault(source: &str) -> TemplateError {
    check_source(source, MessageReason::Firing).expect_err(source)
}

#[test]
fn default_templates_pass_the_template_check() {
    for (language, reason) in Language::ALL.into_iter().flat_map(|it| MessageReason::ALL.map(|reason| (it, reason))) {
        let source = defaults::default_source(language, reason);
        assert!(!source.title.is_empty() && !source.body.is_empty());
        assert_eq!(check_source(&source.title, reason), Ok(()), "{reason:?}");
        assert_eq!(check_source(&source.body, reason), Ok(()), "{reason:?}");
        assert!(ENGINE.get_template(&template_name(language, reason, BODY_SUFFIX)).is_ok());
    }
}

#[test]
fn the_default_firing_message_has_all_facts() {
    let words = render_default(Language::English, MessageReason::Firing, &alert());
    assert_eq!(words.title, "[Dataphin] Critical: Disk of db-7 [95 %] *full*");
    let expected = "12 GiB left\n\\<\\@all\\> \\[x\\](https://evil.example)\n\nSeverity: Critical\nSource: prom\\@west\n\
                    Labels: instance=db-7, team=dba\nSince: 2026-11-22 09:00:00\nTenant: north\n\n\
                    [Open](https://monitor.example/a?x=1&y=\\(2\\))";
    assert_eq!(words.body, expected);
    let bare = Variables { product: "Dataphin".to_owned(), title: "t".to_owned(), ..Variables::default() };
    let words = render_default(Language::Chinese, MessageReason::Firing, &bare);
    assert!(!words.body.contains("来源") && !words.body.contains("标签") && !words.body.contains("查看"), "{words:?}");
}

#[test]
fn default_messages_show_count_and_duration() {
    let default = |language, reason| render_default(language, reason, &alert());
    let repeated = default(Language::English, MessageReason::Repeated);
    assert!(repeated.title.contains("×3: Disk of db-7") && repeated.body.contains("Fired 3 times"), "{repeated:?}");
    let repeated = default(Language::Chinese, MessageReason::Repeated);
    assert!(repeated.title.contains("×3：Disk of db-7") && repeated.body.contains("已触发 3 次"), "{repeated:?}");
    let resolved = default(Language::English, MessageReason::Resolved);
    assert!(resolved.title.starts_with("[Dataphin] Resolved: Disk of db-7"), "{resolved:?}");
    assert!(resolved.body.starts_with("Resolved after 35 min."), "{resolved:?}");
    let resolved = default(Language::Chinese, MessageReason::Resolved);
    assert!(resolved.title.starts_with("[Dataphin] 已恢复：Disk of db-7"), "{resolved:?}");
    assert!(resolved.body.starts_with("历时 35 min，现已恢复。"), "{resolved:?}");
    let one = Variables { count: 1, ..alert() };
    let digest = |variables: &Variables| render_default(Language::English, MessageReason::Digest, variables).title;
    assert_eq!(digest(&one), "[Dataphin] 1 alert in one message");
    assert_eq!(digest(&alert()), "[Dataphin] 3 alerts in one message");
}

#[test]
fn a_title_is_one_plain_line_and_a_body_has_only_its_own_markup() {
    let source = TemplateSource {
        title: "  {{ title }}\t{{ source }} ".to_owned(),
        body: "**{{ title }}** {{ source }}".to_owned(),
    };
    let words = render(&source, &alert()).unwrap();
    assert_eq!(words.title, "Disk of db-7 [95 %] *full* prom@west");
    assert_eq!(words.body, "**Disk of db-7 \\[95 %\\] \\*full\\*** prom\\@west");
}

#[test]
fn an_address_stays_a_working_link_and_nothing_else_becomes_one() {
    assert_eq!(safe_link("https://a.example/b c?d=(e)[f]\\*"), "https://a.example/b%20c?d=(e)[f]\\*");
    assert_eq!(safe_link("http://a.example"), "http://a.example/");
    for same in [
        "http://[fd00::1]:3000/d/x",
        "https://monitor.example:8443/a(b)",
        "https://user@monitor.example/",
        "https://monitor.example/?q=%E5%91%8A%2F%28",
        "https://monitor.example/a|b;c=*~_'!$&,+@:",
        "https://xn--fiqs8s.example/",
        "http://10.0.0.1:9090/graph?g0.expr=up%7Bjob%3D%22a%22%7D",
        "https://kibana.example/app#/discover?_g=(filters:!(),time:(from:now-1h))",
        "https://monitor.example/a//b/%2e%2e/c?x=1&x=2#top",
        "https://monitor.example/?a=b%20c+d",
    ] {
        assert_eq!(safe_link(same), same.replace("/b/%2e%2e/c", "/c"));
    }
    for refused in ["javascript:alert(1)", "dingtalk://x", "", "a.example", "https://"] {
        assert_eq!(safe_link(refused), "");
    }
}

#[test]
fn templates_support_filters_conditions_and_defaults() {
    assert_eq!(body("{{ labels.team }} {{ labels[\"instance\"] }} {{ labels.none }}."), "dba db-7 .");
    assert_eq!(body("{{ recipients }}; {{ recipients[1] }}"), "Li Na, 王伟; 王伟");
    assert_eq!(
        body("{{ source | upper }} {{ key | default(\"no key\") }} {{ labels.x | default(\"no x\") }}"),
        "PROM\\@WEST disk no x"
    );
    assert_eq!(body("{{ content | truncate(6) }}|{{ content | truncate }}").lines().count(), 2);
    assert!(body("{{ content | truncate(6) }}").starts_with("12 GiB…"));
    assert_eq!(
        body("{% if severity_code == \"critical\" and count > 2 %}a{% elif not link %}b{% else %}c{% endif %}"),
        "a"
    );
    assert_eq!(
        body("{% if \"db\" in title or (count in [1, 2]) %}a{% endif %}{# nothing #}{% raw %}{{ x }}{% endraw %}"),
        "a{{ x }}"
    );
    assert_eq!(body("{{ \"many\" if count > 1 else \"one\" }}"), "many");
}

#[test]
fn an_unknown_variable_or_filter_is_reported_with_its_line() {
    let variable = |line, name: &str| TemplateError::UnknownVariable { line, name: name.to_owned() };
    assert_eq!(fault("a\nb {{ tilte }}"), variable(2, "tilte"));
    assert_eq!(fault("{% if false %}\n\n{{ Title }}{% endif %}"), variable(3, "Title"));
    assert_eq!(fault("{{ member }}"), variable(1, "member"));
    assert_eq!(fault("{{ title |\n shout }}"), TemplateError::UnknownFilter { line: 2, name: "shout".to_owned() });
    assert_eq!(check_source("{{ member }}", MessageReason::Test), Ok(()));
}

#[test]
fn a_template_cannot_loop_grow_or_reach_outside() {
    for (source, what) in [
        ("{% for x in labels %}{% endfor %}", "for"),
        ("{% set a = title %}", "set"),
        ("{% with %}{% endwith %}", "with"),
        ("{% filter upper %}{% endfilter %}", "filter"),
        ("{% macro m() %}{% endmacro %}", "macro"),
        ("{% include \"x\" %}", "include"),
        ("{% import \"x\" as y %}", "import"),
        ("{% autoescape false %}{% endautoescape %}", "autoescape"),
        ("{% do title %}", "do"),
        ("{{ title * 99999999 }}", "*"),
        ("{{ \"x\" ** 9 }}", "**"),
        ("{{ title ~ title }}", "~"),
        ("{{ title + title }}", "+"),
        ("{{ labels.items() }}", "("),
        ("{{ title.upper }}", "."),
        ("{{ title[0] }}", "["),
        ("{{ labels[0:9] }}", ":"),
        ("{{ {} }}", "{"),
        ("{{ title(1) }}", "("),
    ] {
        assert_eq!(fault(source), TemplateError::Forbidden { line: 1, what: what.to_owned() }, "{source}");
    }
    for unknown in ["{{ range(9) }}", "{{ debug() }}", "{{ self }}", "{{ loop }}", "{{ title is defined }}"] {
        assert!(matches!(fault(unknown), TemplateError::UnknownVariable { .. }), "{unknown}");
    }
}

#[test]
fn a_syntax_error_is_reported_with_its_line() {
    for (source, line) in
        [("a\n{{ title", 2), ("{{ title }\n", 1), ("{% if link %}\nx", 2), ("{% endif %}", 1), ("\n{{ \"x }}", 2)]
    {
        assert_eq!(fault(source), TemplateError::Syntax { line }, "{source:?}");
    }
}

#[test]
fn too_deep_or_too_long_templates_are_refused() {
    let much =
        |source: String| assert!(matches!(fault(&source), TemplateError::TooComplex { .. }), "{}", &source[..40]);
    much(format!("{{{{ {} title }}}}", "not ".repeat(2000)));
    much(format!("{{{{ title{} }}}}", " or title".repeat(800)));
    much(format!("{{{{ {}title{} }}}}", "(".repeat(900), ")".repeat(900)));
    much(format!("{{% if link %}}{}{{% endif %}}", "{% elif link %}".repeat(500)));
    much(format!("{}{}", "{% if link %}".repeat(300), "{% endif %}".repeat(300)));
    // As deep as it goes, on a stack as small as a thread's.
    let deep = format!("{}x{}", "{% if link %}".repeat(99), "{% endif %}".repeat(99));
    let wide = format!("{{% if link %}}{}{{% endif %}}", "{% elif link %}".repeat(197));
    let small = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || (check_source(&deep, MessageReason::Firing), check_source(&wide, MessageReason::Firing)));
    assert_eq!(small.unwrap().join().unwrap(), (Ok(()), Ok(())));
}

#[test]
fn a_too_expensive_template_is_refused_with_its_line() {
    let tag = |filters: usize| format!("{{{{ content{} }}}}", " | upper".repeat(filters));
    assert_eq!(check_source(&tag(25).repeat(2), MessageReason::Firing), Ok(()));
    assert_eq!(fault(&format!("{0}\n{0}\n{0}", tag(25))), TemplateError::TooExpensive { line: 3 });
    // The most filters that a text of a template has room for.
    assert!(matches!(
        fault(&format!("{{{{content{}}}}}", "|upper".repeat(29)).repeat(38)),
        TemplateError::TooExpensive { .. }
    ));
    assert!(matches!(fault(&"{% if \"x\" in content %}{% endif %}".repeat(90)), TemplateError::TooExpensive { .. }));
    // Short texts may be changed as often as there is room for.
    assert_eq!(check_source(&"{{ title | upper | truncate(9) }}".repeat(60), MessageReason::Firing), Ok(()));
}

#[test]
fn rendering_past_the_work_limit_fails_and_resets_the_counter() {
    let source = TemplateSource { title: "t".to_owned(), body: "{{ labels.a | lower | upper }}".to_owned() };
    let of = |length| Variables { labels: BTreeMap::from([("a".to_owned(), "x".repeat(length))]), ..alert() };
    assert!(render(&source, &of(MAX_RENDER_WORK_BYTES)).is_err());
    assert_eq!(render(&source, &of(16)).unwrap().body, "X".repeat(16));
}

#[test]
fn a_rendered_text_is_bounded_and_shows_that_it_was_cut() {
    let large = Variables { content: "长\"".repeat(8 * 1024), title: "题".repeat(600), ..alert() };
    let source = TemplateSource { title: "{{ title }}".to_owned(), body: "{{ content }}".repeat(600) };
    let words = render(&source, &large).unwrap();
    assert!(
        words.title.starts_with("题题题") && words.title.ends_with('…') && words.title.len() <= MAX_TITLE_BYTES + 3
    );
    assert!(words.body.starts_with("长\"长") && words.body.ends_with('…') && words.body.len() <= MAX_BODY_BYTES + 3);
}

/// Pieces of templates, so that chance makes many that are nearly right.
fn source() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~\n]{0,12}",
        "\\PC{0,6}",
        prop::sample::select(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "{#",
                "#}",
                "{{ title }}",
                "{% if link %}",
                "{% else %}",
                "{% endif %}",
                "{% elif count %}",
                "{{ content }}",
                " labels",
                ".",
                "[",
                "]",
                "(",
                ")",
                "|",
                " truncate(",
                "upper ",
                "default(\"",
                "\"",
                " not ",
                " in ",
                "==",
                "<",
                "*",
                "~",
                "{% set a = title ~ title %}",
                "{% for x in labels %}",
                "{% raw %}",
                "{%-",
                "-%}",
                "{{ labels.a | lower }}",
                " 9999999999999999999999",
            ]
            .as_slice()
        )
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_template_panics_or_exceeds_its_bound(title in source(), body in source(), content in any::<String>()) {
        let checked = check_source(&title, MessageReason::Firing).and_then(|()| check_source(&body, MessageReason::Firing));
        if checked.is_ok() {
            let source = TemplateSource { title, body };
            if let Ok(words) = render(&source, &Variables { content, ..alert() }) {
                prop_assert!(words.title.len() <= MAX_TITLE_BYTES + 27 && words.body.len() <= MAX_BODY_BYTES + 3);
                prop_assert!(!words.title.contains(char::is_control));
            }
        }
    }

    #[test]
    fn default_messages_keep_keyword_and_title_for_any_alert(
        title in "\\PC{1,128}", text in any::<String>(), count in any::<i64>(), label in any::<String>(),
    ) {
        let variables = Variables {
            title: title.clone(),
            content: text.clone(),
            severity: "Critical".to_owned(),
            source: text.clone(),
            link: text.clone(),
            count,
            labels: BTreeMap::from([(label, text)]),
            ..alert()
        };
        for (language, reason) in Language::ALL.into_iter().flat_map(|it| [MessageReason::Firing, MessageReason::Repeated, MessageReason::Resolved].map(|reason| (it, reason))) {
            let words = render_default(language, reason, &variables);
            prop_assert!(words.title.starts_with("[Dataphin]"));
            prop_assert!(words.title.ends_with(title.trim_end()), "{:?} {title:?}", words.title);
            let mut characters = words.body.chars();
            while let Some(character) = characters.next() {
                prop_assert!(!"<@`".contains(character), "{}", words.body);
                if character == '\\' {
                    characters.next();
                }
            }
        }
    }
}
