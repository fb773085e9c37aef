//! The methods of [`Search`](crate::Search), once: as the trait, and as a type's own.
//!
//! `search_methods!([declare])` declares the methods of the trait, with their examples. `inherent_search!(T,
//! |this| target)` gives `T` all of them as methods of its own, carried out by `target: &impl Search`; their
//! documentation links to the trait's. The place that uses a macro imports the trait.

macro_rules! search_methods {
    ($mode:tt) => {
        $crate::buf::search::table::search_methods! { @each $mode
            /// Returns the offset of the first match of `needle`; 0 for an empty one.
            #[doc(alias = "indexOf")]
            find(needle: impl AsRef<[u8]>), "b\"ca\"", "2";
            /// Returns the offset of the last match of `needle`; the length for an empty one.
            rfind(needle: impl AsRef<[u8]>), "b\"bc\"", "4";
            /// Returns the offset of the first `byte`.
            #[doc(alias = "bytesBefore")]
            find_byte(byte: u8), "b'b'", "1";
            /// Returns the offset of the last `byte`.
            #[doc(alias = "lastIndexOf")]
            rfind_byte(byte: u8), "b'b'", "4";
            /// Returns the offset of the first byte that is in `set`.
            find_any(set: &[u8]), "b\"xcb\"", "1";
            /// Returns the offset of the last byte that is in `set`.
            rfind_any(set: &[u8]), "b\"xab\"", "4";
            /// Returns the offset of the first byte for which `stop` holds.
            #[doc(alias = "forEachByte")]
            find_by(stop: impl FnMut(u8) -> bool), "|byte| byte > b'b'", "2";
            /// Returns the offset of the last byte for which `stop` holds.
            #[doc(alias = "forEachByteDesc")]
            rfind_by(stop: impl FnMut(u8) -> bool), "|byte| byte < b'b'", "3";
        }
    };
    (@each $mode:tt
        $($(#[$meta:meta])* $method:ident($arg:ident: $type:ty), $given:literal, $answer:literal;)+
    ) => { $(
        $crate::buf::search::table::search_methods! { @one $mode
            $(#[$meta])* $method($arg: $type), $given, $answer
        }
    )+ };
    (@one [declare] $(#[$meta:meta])* $method:ident($arg:ident: $type:ty),
        $given:literal, $answer:literal) => {
        $(#[$meta])*
        #[doc = concat!(
            "\n# Examples\n\n```\nuse bytebuf::Search;\n\n",
            "let found = b\"abcabc\".", stringify!($method), "(", $given, ");\n",
            "assert_eq!(found, Some(", $answer, "));\n```"
        )]
        fn $method(&self, $arg: $type) -> Option<usize>;
    };
    (@one [|$this:ident| $target:expr] $(#[$meta:meta])* $method:ident($arg:ident: $type:ty),
        $given:literal, $answer:literal) => {
        $(#[$meta])*
        #[doc = concat!(
            "\nExample: [`Search::", stringify!($method), "`](crate::Search::", stringify!($method), ")."
        )]
        #[must_use]
        pub fn $method(&self, $arg: $type) -> Option<usize> {
            let $this = self;
            Search::$method($target, $arg)
        }
    };
}

macro_rules! inherent_search {
    ($type:ty, |$this:ident| $target:expr) => {
        /// Search, as in [`Search`](crate::Search).
        impl $type {
            $crate::buf::search::table::search_methods! { [|$this| $target] }
        }
    };
}

pub(crate) use {inherent_search, search_methods};
