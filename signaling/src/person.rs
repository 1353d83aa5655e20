//! Who a customer is to the bank. Personal data: never printed.

use std::fmt;

use vbranch_domain::{VisitId, kyc::PersonRef};

/// The bank's own name for a person, as an integrator gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerRef(String);

/// Characters of a [`CustomerRef`].
const MAX_CHARS: usize = 128;

impl CustomerRef {
    /// 1 to 128 characters, none of them a control character.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        let fits = (1..=MAX_CHARS).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CustomerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerRef(…)")
    }
}

/// The customer of a visit, for the face vault and the limits of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    reference: PersonRef,
    of_one_visit: bool,
}

impl Person {
    /// Who the bank says, or whoever comes for this visit. The two cannot be the same: a bank's
    /// own name that looks like a visit's id must not lead to that visit's portrait.
    #[must_use]
    pub fn of(visit: VisitId, customer: Option<CustomerRef>) -> Self {
        match customer {
            Some(CustomerRef(name)) => {
                Self { reference: PersonRef(format!("customer:{name}")), of_one_visit: false }
            }
            None => Self { reference: PersonRef(format!("visit:{visit}")), of_one_visit: true },
        }
    }

    /// What the face vault knows them by.
    #[must_use]
    pub fn reference(&self) -> PersonRef {
        self.reference.clone()
    }

    /// Whether no other visit can be theirs.
    #[must_use]
    pub const fn is_of_one_visit(&self) -> bool {
        self.of_one_visit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_some_printable_text_and_is_never_printed() {
        let parse = |text: &str| CustomerRef::parse(text.to_owned());
        for good in ["C-0042", "客户 42", "../../etc/passwd", &"字".repeat(128)] {
            assert_eq!(parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "nul\0", "\u{7f}", &"x".repeat(129)] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        let person = Person::of(VisitId::random(), parse("C-0042"));
        assert!(!format!("{person:?}{:?}", parse("C-0042")).contains("0042"));
    }

    #[test]
    fn who_is_named_like_a_visit_is_not_its_customer() {
        let visit = VisitId::random();
        for name in [visit.to_string(), format!("visit:{visit}")] {
            let named = Person::of(visit, CustomerRef::parse(name));
            assert_ne!(named.reference(), Person::of(visit, None).reference());
        }
    }
}
