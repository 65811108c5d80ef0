//! Guides: how things are done, a page each.

macro_rules! guides {
    ($($name:ident)*) => { $(
        #[doc = include_str!(concat!(stringify!($name), ".md"))]
        pub mod $name {}
    )* };
}

guides! { training clusters predicting released gpu processors extending json }
