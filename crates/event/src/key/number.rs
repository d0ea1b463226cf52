//! Floating-point numbers as `Double.toString` and `Float.toString` of Java 19 and later write them.
//!
//! The digits are the fewest that read back as the same number, but at least two, and of those
//! the closest to it.

/// Appends a double.
pub(super) fn push_double(number: f64, out: &mut String) {
    if number.is_finite() {
        let closest = |digits: usize| format!("{number:.*e}", digits.saturating_sub(1));
        push_finite(&format!("{number:e}"), closest, |text| text.parse() == Ok(number), out);
    } else {
        push_special(number.is_nan(), number > 0.0, out);
    }
}

/// Appends a float.
pub(super) fn push_float(number: f32, out: &mut String) {
    if number.is_finite() {
        let closest = |digits: usize| format!("{number:.*e}", digits.saturating_sub(1));
        push_finite(&format!("{number:e}"), closest, |text| text.parse() == Ok(number), out);
    } else {
        push_special(number.is_nan(), number > 0.0, out);
    }
}

fn push_special(is_nan: bool, is_positive: bool, out: &mut String) {
    out.push_str(match (is_nan, is_positive) {
        (true, _) => "NaN",
        (_, true) => "Infinity",
        (_, false) => "-Infinity",
    });
}

/// Takes the shortest form, like `-1.25e-7`. The form closest to the number with as many digits
/// (ties to even, as in Java) can differ from it in two cases: a single digit, where Java looks at
/// two, and two shortest forms at the same distance.
fn push_finite(
    shortest: &str,
    closest: impl Fn(usize) -> String,
    is_same: impl Fn(&str) -> bool,
    out: &mut String,
) {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let closest = closest(digits.max(2));
    push_java_form(if is_same(&closest) { &closest } else { shortest }, out);
}

/// Plain from 0.001 up to 10 million, else with an exponent; a digit after the point always.
fn push_java_form(scientific: &str, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if mantissa.starts_with('-') {
        out.push('-');
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let mut digits = digits.trim_end_matches('0').chars();
    let mut next = || digits.next().unwrap_or('0');
    let is_plain = (-3..7).contains(&exponent);
    if is_plain && exponent < 0 {
        out.push_str("0.");
        out.extend((exponent..-1).map(|_| '0'));
    } else {
        out.push(next());
        if is_plain {
            out.extend((0..exponent).map(|_| next()));
        }
        out.push('.');
    }
    out.push(next());
    out.extend(digits);
    if !is_plain {
        out.push('E');
        out.push_str(&exponent.to_string());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn double(number: f64) -> String {
        let mut out = String::new();
        push_double(number, &mut out);
        out
    }

    fn float(number: f32) -> String {
        let mut out = String::new();
        push_float(number, &mut out);
        out
    }

    #[test]
    fn doubles_as_java_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (10.0, "10.0"),
            (100.25, "100.25"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.0012, "0.0012"),
            (0.000_999, "9.99E-4"),
            (1.0e-5, "1.0E-5"),
            (1_234_567.0, "1234567.0"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.999, "9999999.999"),
            (1.0e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1.0e10, "1.0E10"),
            (1.0e100, "1.0E100"),
            (123.456e-20, "1.23456E-18"),
            (std::f64::consts::PI, "3.141592653589793"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            // One digit would do; Java prefers the closer of two.
            (5.0e-324, "4.9E-324"),
            (1.0e-323, "9.9E-324"),
            (2.0e-323, "2.0E-323"),
            (2.0e-3, "0.002"),
            (2.0e23, "2.0E23"),
            (9.007_199_254_740_993e15, "9.007199254740992E15"),
            // Halfway between .2 and .3, and between .7 and .8: the even digit.
            (4_503_599_627_370_497.0 / 4.0, "1.1258999068426242E15"),
            (4_503_599_627_370_499.0 / 4.0, "1.1258999068426248E15"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(number), text);
        }
    }

    #[test]
    fn floats_as_java_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (1.0e10, "1.0E10"),
            (1.0e-5, "1.0E-5"),
            (16_777_216.0, "1.6777216E7"),
            (std::f32::consts::PI, "3.1415927"),
            (f32::MAX, "3.4028235E38"),
            // Old Javas wrote one digit more.
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (f32::from_bits(1), "1.4E-45"),
            (f32::from_bits(2), "2.8E-45"),
            (3.3e33, "3.3E33"),
            (f32::NAN, "NaN"),
            (f32::INFINITY, "Infinity"),
            (f32::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bits: u64, small: u32) {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                prop_assert_eq!(double(number).parse(), Ok(number));
            }
            let number = f32::from_bits(small);
            if number.is_finite() {
                prop_assert_eq!(float(number).parse(), Ok(number));
            }
        }
    }
}
