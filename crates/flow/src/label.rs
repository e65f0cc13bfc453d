//! The ground truth of a flow or row, where there is any.

/// What a row truly is: benign, or an attack of a named kind.
///
/// ```
/// use flow::Label;
/// assert!(!Label::new("BENIGN").is_attack());
/// assert!(Label::new("neptune").is_attack());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// A label from the name that a data set gives it, surrounding blanks removed.
    pub fn new(name: &str) -> Label {
        Label(name.trim().to_owned())
    }

    /// The name as the data set gives it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether the name stands for an attack: anything but the names that the public data sets use for benign
    /// traffic (`normal`, `benign`, `background`, `legitimate`, `0`, `false`, `no`, any case, a final dot as in KDD'99).
    pub fn is_attack(&self) -> bool {
        let name = self.0.strip_suffix('.').unwrap_or(&self.0);
        !BENIGN.iter().any(|benign| name.eq_ignore_ascii_case(benign))
    }
}

const BENIGN: [&str; 8] = ["normal", "benign", "background", "legitimate", "0", "0.0", "false", "no"];
