//! Who acts on the broker. Who may do what is not decided here yet: nobody is refused anything.

mod principal;

pub use principal::Principal;
