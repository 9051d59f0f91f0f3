//! Workflow commands of GitHub Actions: annotations
//! (GitHub documentation, "Workflow commands for GitHub Actions").

/// The text of a command.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command, such as its title.
pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
