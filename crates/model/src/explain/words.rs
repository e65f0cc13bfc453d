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
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_and_no_digit_is_made_up() {
        let told = [0.0, 12.0, -1234.5, 88_210.0, 1e12, 0.1, f32::NAN].map(number);
        assert_eq!(told, ["0", "12", "-1,234.5", "88,210", "1e12", "0.1", "–"]);
    }
}
