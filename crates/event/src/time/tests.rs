//! Timestamps that pass and what becomes of them; timestamps that do not.

use proptest::prelude::*;

use super::*;

fn normal(text: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    Timestamp::parse(text)?.write(&mut out);
    Ok(out)
}

fn instant(text: &str) -> String {
    let mut out = String::new();
    Timestamp::parse(text).unwrap().write_instant(&mut out);
    out
}

#[test]
fn r044_r045_times_are_normalised() {
    for (sent, written) in [
        ("2020-01-01t10:00z", "2020-01-01T10:00:00Z"),
        ("2020-01-01T10:00:00.100+00:00", "2020-01-01T10:00:00.1Z"),
        ("2020-01-01T10:00:00.Z", "2020-01-01T10:00:00Z"),
        ("2020-01-01T10:00:00.000000000Z", "2020-01-01T10:00:00Z"),
        ("2020-01-01T10:00:00.123456789Z", "2020-01-01T10:00:00.123456789Z"),
        ("2020-01-01T10:00:00.000000001Z", "2020-01-01T10:00:00.000000001Z"),
        ("2020-01-01T10:00:00-00:00", "2020-01-01T10:00:00Z"),
        ("2020-01-01T10:00:00+05", "2020-01-01T10:00:00+05:00"),
        ("2020-01-01T10:00-03:30", "2020-01-01T10:00:00-03:30"),
        ("2020-01-01T10:00:00+05:30:15", "2020-01-01T10:00:00+05:30:15"),
        ("2020-01-01T10:00:00+05:30:00", "2020-01-01T10:00:00+05:30"),
        ("2020-01-01T10:00:00+18:00", "2020-01-01T10:00:00+18:00"),
        ("2020-02-29T23:59:59-18:00", "2020-02-29T23:59:59-18:00"),
        ("0000-02-29T00:00Z", "0000-02-29T00:00:00Z"),
        ("-0001-01-01T00:00Z", "-0001-01-01T00:00:00Z"),
        ("+12020-01-01T00:00Z", "+12020-01-01T00:00:00Z"),
        ("+0002020-01-01T00:00Z", "2020-01-01T00:00:00Z"),
        ("+999999999-12-31T23:59:59Z", "+999999999-12-31T23:59:59Z"),
    ] {
        assert_eq!(normal(sent).as_deref(), Ok(written), "{sent}");
    }
}

#[test]
fn r046_bad_times_are_refused() {
    for text in [
        "",
        "now",
        "2020-01-01",
        "2020-01-01T10:00:00",
        "2020-01-01T10:00:00.1",
        "2020-01-01 10:00Z",
        "2020-01-01T23:59:60Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T10:60Z",
        "2020-02-30T10:00Z",
        "2019-02-29T10:00Z",
        "1900-02-29T10:00Z",
        "2020-04-31T10:00Z",
        "2020-00-01T10:00Z",
        "2020-13-01T10:00Z",
        "2020-01-00T10:00Z",
        "2020-01-32T10:00Z",
        "2020-1-01T10:00Z",
        "2020-01-01T1:00Z",
        "2020-01-01T10Z",
        "2020-01-01T10:0Z",
        "2020-01-01T10:00:0Z",
        "2020-01-01T10:00:00,1Z",
        "2020-01-01T10:00:00.1234567890Z",
        "2020-01-01T10:00:00+0530",
        "2020-01-01T10:00:00+5",
        "2020-01-01T10:00:00+05:3",
        "2020-01-01T10:00:00+05:60",
        "2020-01-01T10:00:00+18:01",
        "2020-01-01T10:00:00-19:00",
        "2020-01-01T10:00:00Z ",
        " 2020-01-01T10:00:00Z",
        "2020-01-01T10:00:00ZZ",
        "2020-01-01T10:00:00Z[UTC]",
        "12020-01-01T00:00Z",
        "+2020-01-01T00:00Z",
        "-0000-01-01T00:00Z",
        "202-01-01T00:00Z",
        "+1000000000-01-01T00:00Z",
        "2020-01-01T10:00:00+",
        "2020-01-01T10:00:00.+",
        "20200101T100000Z",
        "2020-01-01T10:00:00\u{2212}01:00",
        "٢٠٢٠-01-01T00:00Z",
    ] {
        assert!(normal(text).is_err(), "{text}");
    }
}

#[test]
fn filters_see_the_instant_in_utc() {
    for (sent, seen) in [
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00Z"),
        ("2020-01-01T10:00:00.1Z", "2020-01-01T10:00:00.100Z"),
        ("2020-01-01T10:00:00.1234Z", "2020-01-01T10:00:00.123400Z"),
        ("2020-01-01T10:00:00.1234567Z", "2020-01-01T10:00:00.123456700Z"),
        ("2020-01-01T00:30:00+01:00", "2019-12-31T23:30:00Z"),
        ("2020-02-28T23:30:00-01:00", "2020-02-29T00:30:00Z"),
        ("0000-01-01T00:00:00+18:00", "-0001-12-31T06:00:00Z"),
        ("9999-12-31T23:00:00-02:00", "+10000-01-01T01:00:00Z"),
    ] {
        assert_eq!(instant(sent), seen, "{sent}");
    }
}

#[test]
fn days_count_back_and_forth_over_four_centuries() {
    assert_eq!(days_from_civil(1970, 1, 1), 0);
    assert_eq!(days_from_civil(2000, 3, 1), 11_017);
    for days in (-150_000..150_000).chain([-365_243_219_162, 365_241_780_471]) {
        let (year, month, day) = civil_from_days(days);
        assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        assert_eq!(days_from_civil(year, month, day), days);
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(text in any::<String>()) {
        let _verdict = Timestamp::parse(&text);
    }

    #[test]
    fn near_misses_are_judged_without_panic(text in "[+-]?[0-9]{3,11}-[0-9]{1,3}-[0-9]{1,3}[tT ][0-9:.]{0,14}[zZ+-][0-9:]{0,9}|[0-9]{4}-0[1-9]-1[0-9][tT]1[0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{0,9})?)?([zZ]|[+-]0[0-9](:[0-5][0-9])?)") {
        if let Ok(written) = normal(&text) {
            if Timestamp::is_written_form(&text) {
                prop_assert_eq!(&written, &text);
            }
            prop_assert_eq!(normal(&written).unwrap(), written, "written form is not stable");
        }
    }

    #[test]
    fn the_written_form_means_the_same(
        year in prop_oneof![0..=9999, -999_999_999..=999_999_999_i32], month in 1..=12_u8, day in 1..=28_u8, hour in 0..24_u8,
        minute in 0..60_u8, second in 0..60_u8, nano in 0..1_000_000_000_u32,
        offset_seconds in prop_oneof![Just(0), -64_800..=64_800_i32],
    ) {
        let time = Timestamp { year, month, day, hour, minute, second, nano, offset_seconds };
        let mut written = String::new();
        time.write(&mut written);
        prop_assert_eq!(Timestamp::parse(&written), Ok(time));
        if offset_seconds == 0 && (0..=9999).contains(&year) {
            prop_assert!(Timestamp::is_written_form(&written));
        }
    }
}
