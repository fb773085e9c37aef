//! The methods of [`Search`](crate::Search), once: as the trait, and as a type's own.
//!
//! `inherent_search!(T, |this| target, "T", "before", "after")` gives `T` all of them as methods of
//! its own, carried out by `target: &impl Search`; `before` and `after` make a `T` of an array in
//! the examples.

macro_rules! search_methods {
    (@trait $(#[$meta:meta])* $trait:ident, $name:literal, $before:literal, $after:literal) => {
        $(#[$meta])*
        pub trait $trait {
            $crate::buf::search::table::search_methods! { @rows [declare] $name, $before, $after }
        }
    };
    (@rows $mode:tt $name:literal, $before:literal, $after:literal) => {
        $crate::buf::search::table::search_methods! { @each $mode $name, $before, $after;
            /// Where `needle` first begins; 0 for an empty one.
            #[doc(alias = "indexOf")]
            find(needle: impl AsRef<[u8]>), "b\"ca\"", "2";
            /// Where `needle` last begins; the length for an empty one.
            rfind(needle: impl AsRef<[u8]>), "b\"bc\"", "4";
            /// Where `byte` first is.
            #[doc(alias = "bytesBefore")]
            find_byte(byte: u8), "b'b'", "1";
            /// Where `byte` last is.
            #[doc(alias = "lastIndexOf")]
            rfind_byte(byte: u8), "b'b'", "4";
            /// Where one of the bytes in `set` first is.
            find_any(set: &[u8]), "b\"xcb\"", "1";
            /// Where one of the bytes in `set` last is.
            rfind_any(set: &[u8]), "b\"xab\"", "4";
            /// Where the first byte is for which `stop` holds.
            #[doc(alias = "forEachByte")]
            find_by(stop: impl FnMut(u8) -> bool), "|byte| byte > b'b'", "2";
            /// Where the last byte is for which `stop` holds.
            #[doc(alias = "forEachByteDesc")]
            rfind_by(stop: impl FnMut(u8) -> bool), "|byte| byte < b'b'", "3";
        }
    };
    (@each $mode:tt $name:literal, $before:literal, $after:literal;
        $($(#[$meta:meta])* $method:ident($arg:ident: $type:ty), $given:literal, $answer:literal;)+
    ) => { $(
        $crate::buf::search::table::search_methods! { @one $mode
            $(#[$meta])*
            #[doc = concat!(
                "\n```\nuse bytebuf::", $name, ";\n\n",
                "let data = ", $before, "*b\"abcabc\"", $after, ";\n",
                "assert_eq!(data.", stringify!($method), "(", $given, "), Some(", $answer, "));",
                "\n```"
            )]
            $method($arg: $type)
        }
    )+ };
    (@one [declare] $(#[$meta:meta])* $method:ident($arg:ident: $type:ty)) => {
        $(#[$meta])*
        fn $method(&self, $arg: $type) -> Option<usize>;
    };
    (@one [|$this:ident| $target:expr] $(#[$meta:meta])* $method:ident($arg:ident: $type:ty)) => {
        $(#[$meta])*
        #[must_use]
        pub fn $method(&self, $arg: $type) -> Option<usize> {
            let $this = self;
            $crate::buf::Search::$method($target, $arg)
        }
    };
}

macro_rules! inherent_search {
    ($type:ty, |$this:ident| $target:expr, $name:literal, $before:literal, $after:literal) => {
        /// Search, as in [`Search`](crate::Search).
        impl $type {
            $crate::buf::search::table::search_methods! {
                @rows [|$this| $target] $name, $before, $after
            }
        }
    };
}

pub(crate) use {inherent_search, search_methods};
