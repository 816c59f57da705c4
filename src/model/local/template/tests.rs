use std::collections::HashMap;

use super::*;

#[derive(serde::Deserialize)]
struct Data {
    templates: HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    template: String,
    messages: Vec<Turn>,
    bos: String,
    eos: String,
    add_generation_prompt: bool,
    expected: Option<String>,
    refused: Option<String>,
}

#[derive(serde::Deserialize)]
struct Turn {
    role: String,
    content: String,
}

fn user(content: &str) -> Vec<Message> {
    vec![Message::new("user", content)]
}

fn render(source: &str) -> Result<String, TemplateError> {
    ChatTemplate::parse(source)?.render(&user("hi"), true, &Specials::default())
}

#[test]
fn renders_as_transformers_does() {
    let data: Data =
        serde_json::from_str(include_str!("../../../../tests/data/chat_templates.json")).unwrap();
    for case in data.cases {
        let template = ChatTemplate::parse(&data.templates[&case.template]).unwrap();
        let messages: Vec<_> = case
            .messages
            .iter()
            .map(|turn| Message::new(&turn.role, &turn.content))
            .collect();
        let specials = Specials {
            bos: case.bos,
            eos: case.eos,
        };
        match template.render(&messages, case.add_generation_prompt, &specials) {
            Ok(prompt) => assert_eq!(Some(prompt), case.expected, "{}", case.name),
            Err(TemplateError::Refused { message }) => {
                assert_eq!(Some(message), case.refused, "{}", case.name);
            }
            Err(error) => panic!("{}: {error:?}", case.name),
        }
    }
}

#[test]
fn lead_follows_the_generation_prompt() {
    let template =
        ChatTemplate::parse("{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}");
    let prompt = template
        .unwrap()
        .render_with_lead(&user("hi"), &Specials::default(), "The");
    assert_eq!(prompt.unwrap(), "hi>The");
}

#[test]
fn endless_work_runs_out_of_fuel() {
    for source in [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in [1,2] %}{% for b in range(99999) %}{% for c in range(99999) %}{{ a }}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(18) }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ range(99999)|list|tojson|length }}{% for i in range(9999) %}{% set x = range(99999)|list|tojson %}{% endfor %}",
        "{{ messages[0].content.replace('', 'x' * 9999999) * 99 }}",
    ] {
        let error = render(source).unwrap_err();
        assert!(
            matches!(error, TemplateError::OutOfFuel),
            "{source}: {error:?}"
        );
    }
}

/// An attack on a template's limits ends at once with an error, and not when memory ends.
#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what this is about"
)]
#[test]
fn what_becomes_text_is_paid_for_item_by_item() {
    let twice = "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}";
    let map = "{% set n = namespace(x={}) %}{% for i in range(60) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}";
    let many = "{% set a = [[]] * 100000000 %}";
    let mut sources = vec![
        "{{ '{0:9999999999}'.format(1) }}".to_owned(),
        "{{ '{0:999999999}'.format(1) }}".to_owned(),
        "{{ '{0:.999999999}'.format(1.5) }}".to_owned(),
        "{{ ('{0:4000}' * 9999).format(1) }}".to_owned(),
        "{{ ('{0}' * 9999).format('x' * 999999) }}".to_owned(),
        "{{ '{}'.format([[]] * 100000000) }}".to_owned(),
        "{{ [[]] * 10**8 }}".to_owned(),
    ];
    for made in [("n.x", twice), ("n.x", map), ("a", many)] {
        let (name, made) = made;
        for ends in [
            "",
            "|tojson",
            "|string",
            "|join",
            "|join('')",
            "|e",
            "|upper",
            "|lower",
            "|trim",
            "|title",
            "|capitalize",
            "|replace('a', 'b')",
        ] {
            sources.push(format!("{made}{{{{ {name}{ends} }}}}"));
            if !ends.is_empty() {
                sources.push(format!(
                    "{made}{{% for i in range(20) %}}{{% set x = {name}{ends} %}}{{% endfor %}}"
                ));
            }
        }
        sources.push(format!("{made}{{% set x = {name} ~ '' %}}"));
        sources.push(format!("{made}{{% set x = '' ~ [{name}] ~ 'a' %}}"));
        sources.push(format!("{made}{{{{ ''.join({name}) }}}}"));
        sources.push(format!("{made}{{{{ '{{}}'.format({name}) }}}}"));
    }
    for source in sources {
        // A quiet assignment of what is printed nowhere may be free of charge; it must be quick all the same.
        let started = std::time::Instant::now();
        let result = render(&source);
        assert!(
            started.elapsed().as_secs() < 3,
            "{source}: {:?}",
            started.elapsed()
        );
        assert!(
            matches!(
                &result,
                Err(TemplateError::OutOfFuel | TemplateError::Render { .. })
            ),
            "{source}: {:?}",
            result.map(|text| text.len())
        );
    }
}

#[test]
fn text_of_values_is_what_it_was() {
    for (source, text) in [
        (
            "{{ '{:>5}|{:.2f}|{{}}|{x}'.format('a', 1.5, x=[1]) }}",
            "    a|1.50|{}|[1]",
        ),
        ("{{ 'in 20260101 {}'.format(1) }}", "in 20260101 1"),
        ("{{ [1, 'a', {'b': none}] }}", "[1, 'a', {'b': None}]"),
        (
            "{{ 1 ~ [2, 'a'] ~ none ~ messages[0].nothing ~ (3 if false else 4) * 2 }}",
            "1[2, 'a']None8",
        ),
        ("{{ [1, 2]|join(', ') }}{{ [1, 2]|join }}", "1, 212"),
        (
            "{{ [{'a': 'x'}, {'a': 'y'}]|join('-', attribute='a') }}",
            "x-y",
        ),
        (
            "{{ ' aBc '|trim|upper }}{{ 'aBc'|lower|capitalize }}{{ 'a b'|title }}",
            "ABCAbcA B",
        ),
        (
            "{{ 'xax'|trim('x') }}{{ 'abc'|replace('b', 'd') }}{{ '<'|e }}{{ 5|string }}",
            "aadc&lt;5",
        ),
        (
            "{{ ', '.join(['a', 'b']) }}{{ {'a': [1]}|tojson }}",
            "a, b{\"a\": [1]}",
        ),
    ] {
        assert_eq!(render(source).unwrap(), text, "{source}");
    }
}

#[test]
fn signs_that_share_a_character_are_no_tag() {
    // Found by fuzzing: the closing was looked for from the opening on.
    for source in ["{%}", "a{%}b%}", "{%", "{%%}", "{%-%}", "{%}{% raw %}"] {
        let failed = render(source).expect_err(source);
        assert!(
            matches!(failed, TemplateError::Parse { .. }),
            "{source}: {failed}"
        );
    }
}

#[test]
fn output_is_bounded() {
    let source = "{% set x = 'x' * 1000000 %}{% for i in range(1000) %}{{ x }}{% endfor %}";
    assert!(matches!(
        render(source).unwrap_err(),
        TemplateError::OutputTooLong { .. } | TemplateError::OutOfFuel
    ));
}

#[test]
fn recursion_is_bounded() {
    let endless = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    assert!(matches!(
        render(endless).unwrap_err(),
        TemplateError::Render { .. }
    ));
    let deep = |left: &str, right: &str| {
        let times = 120_000 / (left.len() + right.len());
        format!("{{{{ {}1{} }}}}", left.repeat(times), right.repeat(times))
    };
    for nested in [
        deep("(", ")"),
        deep("[", "]"),
        deep("-", ""),
        deep("not ", ""),
        deep("", "+1"),
        deep("", ".a"),
        deep("", "[0]"),
        deep("", "|e"),
        deep("", " if 1 else 1"),
        deep("", " is a"),
        "{% if 1 %}".repeat(12_000),
        "{% if a %}".to_owned() + &"{% elif a %}".repeat(10_000) + "{% endif %}",
        "{% set n = namespace(x=1) %}{% for i in range(50) %}{% for j in range(2000) %}{% set n.x = [n.x] %}{% endfor %}{% endfor %}".to_owned(),
        "{% set n = namespace(x=1) %}{% for i in range(30) %}{% for j in range(1000) %}{% set n.x = {'a': n.x} %}{% endfor %}{% endfor %}{{ n.x }}{{ n.x|tojson }}{{ n.x == n.x }}".to_owned(),
    ] {
        // Whether refused or rendered, it must come back.
        let _ = render(&nested);
    }
}

#[test]
fn a_template_reaches_nothing_outside() {
    for source in [
        "{% include '/etc/passwd' %}",
        "{% extends 'chat' %}",
        "{% import 'x' as x %}",
    ] {
        assert!(render(source).is_err(), "{source}");
    }
    assert_eq!(render("{{ debug is defined }}").unwrap(), "False");
}

#[test]
fn faults_are_told_apart() {
    assert!(matches!(
        ChatTemplate::parse("{% for %}").unwrap_err(),
        TemplateError::Parse { .. }
    ));
    assert!(matches!(
        ChatTemplate::parse(&" ".repeat(MAX_SOURCE + 1)).unwrap_err(),
        TemplateError::TooLong { .. }
    ));
    assert!(matches!(
        render("{{ raise_exception('no system role') }}").unwrap_err(),
        TemplateError::Refused { message } if message == "no system role"
    ));
    assert!(matches!(
        render("{{ nothing.at.all }}").unwrap_err(),
        TemplateError::Render { .. }
    ));
}

#[test]
fn generation_tags_keep_their_whitespace_control() {
    assert_eq!(
        prepared("a {%- generation %}x{% endgeneration -%} b {% endif"),
        "a {%- if true %}x{% endif -%} b {% endif"
    );
}

/// Snippets whose text here is not Jinja's; the engine refuses the first kind and spells the second otherwise.
const REFUSED_HERE: [&str; 10] = [
    "{{ +3 }}",
    "{{ '%s is %d or %.2f %r' % ('a', 3, 1.5, 'x') }}",
    "{{ '%s' % 'one' }}",
    "{{ '100%%' % () }}",
    "{{ '%05.1f|%-5s|%+d|%x|%c|%e' % (3.14159, 'ab', 5, 255, 'z', 12345.678) }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, k=3) }}",
    "{{ messages[0]['role', 'x'] }}",
    "{{ {'a': 'x'} | xmlattr }}",
    "{{ 'word wrap here' | wordwrap(5) }}",
    "{{ 1024 | filesizeformat }}",
];
const OTHERWISE_HERE: [&str; 9] = [
    "{{ none }}|{{ true }}|{{ false }}|{{ missing }}|{{ 1.0 }}|{{ 0.1 + 0.2 }}|{{ 1e20 }}|{{ 1e-7 }}|{{ 100000.0 }}",
    "{{ range(3) }}",
    "{{ 'abc' | attr('upper') is defined }}",
    "{{ lipsum is defined }}",
    "{{ 'a' < 1 }}",
    "{{ messages | map('attr', 'role') | list }}",
    "{{ [1, 'a'] | pprint }}",
    "{{ 'A\\x07b\\x7f\\u200b\\U0001F600' }}",
    "{{ ['\\x07\\x7f\\u200b\\U0001F600\\u00ad'] }}",
];

#[test]
fn snippets_render_as_in_jinja() {
    #[derive(serde::Deserialize)]
    struct Snippets {
        messages: Vec<Turn>,
        cases: Vec<Snippet>,
    }
    #[derive(serde::Deserialize)]
    struct Snippet {
        template: String,
        expected: Option<String>,
    }
    let data: Snippets = serde_json::from_str(include_str!(
        "../../../../tests/data/template_snippets.json"
    ))
    .unwrap();
    let messages: Vec<_> = data
        .messages
        .iter()
        .map(|turn| Message::new(&turn.role, &turn.content))
        .collect();
    let specials = Specials {
        bos: "<s>".to_owned(),
        eos: "</s>".to_owned(),
    };
    assert!(data.cases.len() > 400);
    for Snippet { template, expected } in data.cases {
        let rendered = ChatTemplate::parse(&template)
            .and_then(|parsed| parsed.render(&messages, true, &specials))
            .ok();
        if REFUSED_HERE.contains(&template.as_str()) {
            assert_eq!(rendered, None, "{template:?}");
        } else if OTHERWISE_HERE.contains(&template.as_str()) {
            assert_ne!(
                rendered, expected,
                "{template:?} need not be an exception any more"
            );
        } else {
            assert_eq!(rendered, expected, "{template:?}");
        }
    }
}
