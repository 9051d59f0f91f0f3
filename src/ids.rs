//! Numbered things: an id is a place in a list.

/// Declares id types.
macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            /// The id of a place in the list. Lists hold fewer than 2^32 things.
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// The place in the list.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}
