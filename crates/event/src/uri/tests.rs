//! Accepted and refused URI references, by the rule they show.

use proptest::prelude::*;

use super::check;

#[test]
fn r043_good_sources_are_accepted() {
    for uri in [
        "",
        "/",
        "/s",
        "a",
        "a/b",
        "../x",
        "./a:b",
        "/a:b",
        "?a:b",
        "#f",
        "?q",
        "?q#f",
        "#",
        "?",
        "urn:x",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "mailto:a@b.c",
        "a:b",
        "A+-.1:x",
        "urn:x?y",
        "urn:[",
        "urn:x#f",
        "cid:%20",
        "foo:?",
        "http:/p",
        "http:///p",
        "http://?q",
        "http://#f",
        "///p",
        "//host/p",
        "//host",
        "http://h",
        "http://h:80/p?q=1#f",
        "http://h:/p",
        "http://h:x/",
        "http://h:99999999999/",
        "http://ex_ample/",
        "http://-a-/",
        "http://a..b/",
        "http://u:p@h/",
        "http://a@b@c/",
        "http://1.2.3.4.5/",
        "http://%41/",
        "http://[::1]/x",
        "http://[::1]",
        "http://[::1]:80/x",
        "http://[::1]:",
        "http://u@[::1]/",
        "http://[1:2:3:4:5:6:7:8]/",
        "http://[::ffff:1.2.3.4]/",
        "http://[fe80::1%eth0]/",
        "/é",
        "http://é/",
        "é",
        "/\u{1F600}",
        "urn:é",
        "?é#é",
        "/a%20b",
        "/a;b=c,d",
        "/~a!b*c'(d)$&+@",
        "?a[0]=b",
        "#[x]",
        "?a/b?c",
        "#a/b?c",
        "/apis/v1/namespaces/default/pods/x#y",
    ] {
        assert_eq!(check(uri), Ok(()), "{uri}");
    }
}

#[test]
fn r042_bad_sources_are_refused() {
    for uri in [
        "my source",
        " ",
        "/a ",
        "/a%zz",
        "%",
        "%2",
        "/%2",
        "?%g0",
        "#%",
        "urn:%",
        "http://",
        "//",
        "foo:",
        "foo:#f",
        ":foo",
        ":",
        "1abc:foo",
        "a_b:c",
        "é:foo",
        "-a:b",
        "/a^b",
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a\\b",
        "/a`b",
        "/a{b",
        "/a|b",
        "/a}b",
        "?a{b",
        "#a|b",
        "urn:a b",
        "urn:a\\b",
        "/a[b",
        "/a]b",
        "[",
        "a]",
        "#a#b",
        "/a#b#c",
        "\u{0}",
        "/\u{7f}",
        "/\n",
        "?\t",
        "/\u{80}",
        "/\u{85}",
        "/\u{9f}",
        "/\u{a0}",
        "/\u{1680}",
        "/\u{2003}",
        "/\u{2028}",
        "/\u{2029}",
        "/\u{202f}",
        "/\u{205f}",
        "/\u{3000}",
        "http://a b/",
        "http://a\"/",
        "http://a%zz/",
        "http://a^/",
        "http://[::1/",
        "http://::1]/",
        "http://[::1]x/",
        "http://[::1]:x/",
        "http://[::1]:99999999999/",
        "http://[1.2.3.4]/",
        "http://[]/",
        "http://[1:2]/",
        "http://[1:2:3:4:5:6:7:8:9]/",
        "http://[1::2::3]/",
        "http://[12345::]/",
        "http://a[::1]/",
        "http://a[b]/",
        "http://[fe80::1%]/",
        "http://[fe80::1%e-0]/",
        "http://[::1]:+1/",
        "http://u[@[::1]/",
        "http://a\u{a0}b/",
    ] {
        assert!(check(uri).is_err(), "{uri:?}");
    }
}

#[test]
fn every_ascii_character_stands_where_its_class_allows() {
    let everywhere =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'();:&=+$,@";
    for code in 0..=127_u8 {
        let c = char::from(code);
        let always = everywhere.contains(c);
        assert_eq!(check(&format!("/x{c}")).is_ok(), always || "/?#".contains(c), "path {c:?}");
        assert_eq!(check(&format!("?x{c}")).is_ok(), always || "/?#[]".contains(c), "query {c:?}");
        assert_eq!(
            check(&format!("#x{c}")).is_ok(),
            always || "/?[]".contains(c),
            "fragment {c:?}"
        );
        assert_eq!(check(&format!("//x{c}")).is_ok(), always || "/?#".contains(c), "host {c:?}");
        assert_eq!(
            check(&format!("u:x{c}")).is_ok(),
            always || "/?#[]".contains(c),
            "opaque {c:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(uri in any::<String>()) {
        let _verdict = check(&uri);
    }

    #[test]
    fn escaping_every_byte_makes_any_text_a_path(text in any::<String>()) {
        let path: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        prop_assert_eq!(check(&path), Ok(()));
    }

    #[test]
    fn a_space_is_refused_wherever_it_stands(before in "[a-z:/?#%\\[\\]@]{0,8}", after in "[a-z:/?#@]{0,8}") {
        let spaced = format!("{before} {after}");
        prop_assert!(check(&spaced).is_err());
    }
}
