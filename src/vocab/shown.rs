/// The beginning of a line as it can be shown to people: without blanks around it, and without control characters, by which
/// it could drive a terminal. None if nothing is left.
pub fn shown(line: &str, chars_max: usize) -> Option<String> {
    let fit = line.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let fit: String = fit.take(chars_max).collect();
    (!fit.is_empty()).then_some(fit)
}
