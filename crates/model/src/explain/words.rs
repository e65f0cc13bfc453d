//! Values as people read them.

use flow::{Column, Values, printable};

/// The value of a column in a row, in words; a dash where it is missing.
pub fn cell(column: &Column, row: usize) -> String {
    match &column.values {
        Values::Numbers(numbers) => numbers.get(row).map_or_else(|| "–".into(), |value| number(*value)),
        Values::Categories(category) => {
            category.name(row).map_or_else(|| "–".into(), |name| printable(name).to_string())
        }
    }
}

/// A number with commas between thousands, and no more digits than it has.
pub(super) fn number(value: f32) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let size = value.abs();
    if value != 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:e}");
    }
    let text = format!("{value}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

/// A number of which four digits matter.
pub fn brief(value: f32) -> String {
    let places = 3.0 - f64::from(value.abs()).max(f64::MIN_POSITIVE).log10().floor();
    if !(1.0..30.0).contains(&places) || !value.is_finite() {
        return number(if value.abs() < 1e9 { value.round() } else { value });
    }
    let unit = 10f64.powf(places);
    number(((f64::from(value) * unit).round() / unit) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_and_no_digit_is_made_up() {
        let told = [0.0, 12.0, -1234.5, 88_210.0, 1e12, 0.1, f32::NAN].map(number);
        assert_eq!(told, ["0", "12", "-1,234.5", "88,210", "1e12", "0.1", "–"]);
        assert_eq!(
            [4.612_859_7, 381.973_45, 0.015_931_444, 12_345.6, -0.5].map(brief),
            ["4.613", "382", "0.01593", "12,346", "-0.5"]
        );
    }
}
