//! What is made once it is asked for, and made in parallel.

use std::sync::OnceLock;

/// What a cell holds; it is made if there is nothing yet.
///
/// Unlike [`OnceLock::get_or_init`] nobody waits for it. What is made by several threads must not be waited for: a
/// thread that makes it hands out parts, and while those are under way it takes up other work, which may ask for
/// the same cell. Threads that ask at the same time may make it each; so where many will ask, one does before.
pub(crate) fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    if let Some(made) = cell.get() {
        return made;
    }
    let made = make();
    cell.get_or_init(|| made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_while_it_is_made_is_made() {
        let cell = OnceLock::new();
        let made = once(&cell, || {
            assert_eq!(*once(&cell, || 1), 1);
            2
        });
        assert_eq!(*made, 1, "what was there first stays");
    }
}
