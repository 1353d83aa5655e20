//! Who is asking: link tokens, passwords, sessions, and the extractors that make a handler say
//! whom it serves.

mod extract;
mod password;
mod session;
mod throttle;
mod token;

pub use extract::{
    AuditorAuth, CustomerAuth, InviterAuth, MediaTokenAuth, PeerAddr, SessionAuth, StaffAuth,
    SupervisorAuth,
};
pub(crate) use extract::{origin_allowed, session_token};
pub use password::{PasswordError, Passwords};
pub use session::{Session, SessionError, Sessions};
pub use throttle::Throttle;
pub use token::{Token, TokenHash};
