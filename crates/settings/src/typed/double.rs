//! The syntax of Java's `Double.parseDouble`: decimal and hexadecimal, with its suffixes.

/// The number that Java reads from `text`, or `None` where Java throws. Characters up to the
/// blank are trimmed at both ends first, as Java does.
pub fn java_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|character| character <= ' ');
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match magnitude {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let digits = magnitude.strip_suffix(['d', 'D', 'f', 'F']);
            match magnitude.strip_prefix("0x").or_else(|| magnitude.strip_prefix("0X")) {
                Some(hexadecimal) => hexadecimal_value(hexadecimal)?,
                None => decimal_value(digits.unwrap_or(magnitude))?,
            }
        }
    };
    Some(if negative { -value } else { value })
}

/// `1`, `1.`, `.5`, `1e3`, `1.5E-3`. Rust reads these with the same rounding, but also words
/// and signs that do not belong here, so the characters are checked first.
fn decimal_value(text: &str) -> Option<f64> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let known = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if starts_well && text.chars().all(known) { text.parse().ok() } else { None }
}

/// `1p4`, `1.8p0`, `.8p1d` after the `0x`. The exponent is required.
fn hexadecimal_value(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    // The suffix can only be cut behind the exponent: before it, `d` and `f` are digits.
    let exponent = exponent.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut bits, mut scale, mut sticky) = (0_u128, 0_i64, false);
    for (place, character) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = character.to_digit(16)?;
        let is_fraction = place >= whole.len();
        if bits >> 100 == 0 {
            bits = (bits << 4) | u128::from(digit);
            scale -= if is_fraction { 4 } else { 0 };
        } else {
            // Beyond the precision only whether anything is left matters to the rounding.
            sticky |= digit != 0;
            scale += if is_fraction { 0 } else { 4 };
        }
    }
    Some(scaled(bits | u128::from(sticky), scale.saturating_add(exponent_value(exponent)?)))
}

/// A signed decimal; one too large for any double is held at a limit far outside.
fn exponent_value(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') { -1_000_000_000 } else { 1_000_000_000 };
    Some(text.parse().map_or(beyond, |value: i64| value.clamp(-1_000_000_000, 1_000_000_000)))
}

/// `bits` × 2^`exponent`, rounded once, to the nearest and ties to even.
fn scaled(bits: u128, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let width = i64::from(128 - bits.leading_zeros());
    // The exponent of the highest bit; below -1022 a double has fewer bits left.
    let top = exponent + width - 1;
    if top > 1023 {
        return f64::INFINITY;
    }
    let precision = if top < -1022 { 53 + top + 1022 } else { 53 };
    if precision < 0 {
        return 0.0;
    }
    let dropped = width - precision;
    let (kept, exponent) =
        if dropped > 0 { (round_off(bits, dropped), exponent + dropped) } else { (bits, exponent) };
    // `kept` has at most 54 bits, so this is exact; each factor below is exact as well, as the
    // result is known to fit.
    #[allow(clippy::cast_precision_loss, reason = "at most 2^53 after rounding")]
    let mut value = kept as f64;
    let mut left = exponent;
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        value *= 2_f64.powi(i32::try_from(step).unwrap_or(0));
        left -= step;
    }
    value
}

fn round_off(bits: u128, dropped: i64) -> u128 {
    let Ok(dropped) = u32::try_from(dropped) else { return 0 };
    let kept = bits.checked_shr(dropped).unwrap_or(0);
    let rest = bits - kept.checked_shl(dropped).unwrap_or(0);
    let half = 1_u128.checked_shl(dropped - 1).unwrap_or(u128::MAX);
    let up = rest > half || (rest == half && kept & 1 == 1);
    kept + u128::from(up)
}
