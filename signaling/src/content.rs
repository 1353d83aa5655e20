//! Journeys and consent texts: versioned, embedded, checked when the program starts.

use std::{collections::HashMap, sync::Arc};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Words for people, in each language of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Text {
    /// 简体中文.
    #[serde(rename = "zh-CN")]
    pub zh_cn: String,
    /// English.
    pub en: String,
}

impl Text {
    fn for_bank(&self, bank: &Self) -> Self {
        Self {
            zh_cn: self.zh_cn.replace("{bank}", &bank.zh_cn),
            en: self.en.replace("{bank}", &bank.en),
        }
    }

    /// SHA-256 in hex of the Chinese text, a line feed, the English text, all UTF-8: both are
    /// delivered to the customer, whose page shows the one of the language chosen.
    #[must_use]
    pub fn sha256(&self) -> String {
        let both = format!("{}\n{}", self.zh_cn, self.en);
        hex::encode(digest(&SHA256, both.as_bytes()))
    }
}

/// A versioned script of steps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journey {
    /// e.g. `demo-loan`; with the version it names the journey for ever.
    pub id: String,
    /// From 1; a changed text is a new version.
    pub version: u32,
    /// What it sells.
    pub product: Product,
    /// The steps, in the only order they can be done in.
    pub steps: Vec<StepDef>,
}

/// What a journey sells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// e.g. `demo-loan`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// What is lent, in whole CNY.
    pub amount_cny: u32,
    /// What may be lent without a visit to a branch, in whole CNY.
    pub remote_cap_cny: u32,
}

/// One step of a journey.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDef {
    /// Unique within the journey: lower-case letters, digits and hyphens.
    pub id: String,
    /// What is done in it.
    pub kind: StepKind,
    /// A short name.
    pub title: Text,
    /// What is read out, asked, or signed.
    pub text: Text,
}

/// What is done in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Staff show who they are.
    Identity,
    /// Staff read out what the customer must know.
    Disclosure,
    /// The customer answers yes or no.
    Question,
    /// Staff take a still of a document.
    Document,
    /// The customer signs.
    Signature,
}

/// One side of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The person visiting.
    Customer,
    /// The person serving.
    Staff,
}

impl Party {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Staff];

    /// The word used in manifests and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
        }
    }
}

impl StepKind {
    /// Who completes such a step. Not a choice of the journey's author: a customer's answer given
    /// by staff would be worthless as evidence.
    #[must_use]
    pub const fn by(self) -> Party {
        match self {
            Self::Identity | Self::Disclosure | Self::Document => Party::Staff,
            Self::Question | Self::Signature => Party::Customer,
        }
    }
}

impl Journey {
    /// `id@version`, as written into manifests.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    fn check(&self) -> Result<(), String> {
        if !is_slug(&self.id) || !is_slug(&self.product.id) {
            return Err("id: lower-case letters, digits and hyphens, 1 to 32".to_owned());
        }
        if self.product.amount_cny > self.product.remote_cap_cny {
            return Err("product.amount_cny is over product.remote_cap_cny".to_owned());
        }
        if self.steps.is_empty() {
            return Err("steps: a journey has at least one".to_owned());
        }
        for (n, step) in self.steps.iter().enumerate() {
            if !is_slug(&step.id) {
                return Err(format!("steps[{n}].id is not a lower-case word"));
            }
            if self.steps.iter().take(n).any(|earlier| earlier.id == step.id) {
                return Err(format!("steps[{n}].id is used twice"));
            }
        }
        Ok(())
    }
}

/// Step ids become names of sealed files, so nothing but these letters.
fn is_slug(s: &str) -> bool {
    (1..=32).contains(&s.len())
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The texts a customer consents to, as one version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentTexts {
    /// e.g. `2026-12`.
    pub version: String,
    /// To being recorded.
    pub recording: Text,
    /// To face processing.
    pub face: Text,
}

/// Everything the branch says, with the bank's name filled in.
#[derive(Debug)]
pub struct Content {
    journeys: HashMap<String, Arc<Journey>>,
    current: Vec<Arc<Journey>>,
    /// The consent texts in force.
    pub consents: ConsentTexts,
}

/// An embedded text that is wrong; found by a test, never by a customer.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ContentError {
    file: &'static str,
    problem: String,
}

/// Every version ever offered stays here: visits made under it are rebuilt from their events.
const JOURNEYS: &[(&str, &str)] =
    &[("demo-loan@1.json", include_str!("../journeys/demo-loan@1.json"))];
const CONSENTS: (&str, &str) = ("2026-12.json", include_str!("../consents/2026-12.json"));

impl Content {
    /// Parses and checks the embedded texts.
    ///
    /// # Errors
    /// Names the file and what is wrong in it.
    pub fn load(bank: &Text) -> Result<Self, ContentError> {
        let mut journeys = HashMap::new();
        let mut current: Vec<Arc<Journey>> = Vec::new();
        for &(file, json) in JOURNEYS {
            let journey =
                Arc::new(parse_journey(json, bank).map_err(|p| ContentError::new(file, p))?);
            current.retain(|j| j.id != journey.id || j.version > journey.version);
            if current.iter().all(|j| j.id != journey.id) {
                current.push(Arc::clone(&journey));
            }
            journeys.insert(journey.reference(), journey);
        }
        let texts: ConsentTexts = serde_json::from_str(CONSENTS.1)
            .map_err(|e| ContentError::new(CONSENTS.0, e.to_string()))?;
        let consents = ConsentTexts {
            recording: texts.recording.for_bank(bank),
            face: texts.face.for_bank(bank),
            ..texts
        };
        Ok(Self { journeys, current, consents })
    }

    /// The journey `id@version`, in whatever version.
    #[must_use]
    pub fn journey(&self, reference: &str) -> Option<Arc<Journey>> {
        self.journeys.get(reference).cloned()
    }

    /// The journey that sells `product` today.
    #[must_use]
    pub fn journey_for(&self, product: &str) -> Option<Arc<Journey>> {
        self.current.iter().find(|j| j.product.id == product).cloned()
    }

    /// What can be sold today.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.current.iter().map(|j| &j.product)
    }
}

impl ContentError {
    fn new(file: &'static str, problem: String) -> Self {
        Self { file, problem }
    }
}

fn parse_journey(json: &str, bank: &Text) -> Result<Journey, String> {
    let mut journey: Journey = serde_json::from_str(json).map_err(|e| e.to_string())?;
    journey.check()?;
    journey.product.name = journey.product.name.for_bank(bank);
    for step in &mut journey.steps {
        step.title = step.title.for_bank(bank);
        step.text = step.text.for_bank(bank);
    }
    Ok(journey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> Text {
        Text { zh_cn: "测试银行".to_owned(), en: "Test Bank".to_owned() }
    }

    #[test]
    fn the_embedded_texts_are_sound_and_name_the_bank() {
        let content = Content::load(&bank()).expect("embedded content");
        let journey = content.journey_for("demo-loan").expect("demo product");
        assert_eq!(journey.reference(), "demo-loan@1");
        let disclosure = &journey.steps[1].text;
        assert!(disclosure.zh_cn.contains("测试银行") && disclosure.en.contains("Test Bank"));
        for step in &journey.steps {
            assert!(!step.text.en.contains('{') && !step.text.zh_cn.contains('{'), "{}", step.id);
        }
        assert!(content.consents.recording.en.contains("Test Bank"));
    }

    #[test]
    fn a_loan_over_the_remote_cap_is_not_a_journey() {
        let over = JOURNEYS[0].1.replace("\"amount_cny\": 100000", "\"amount_cny\": 200001");
        assert_ne!(over, JOURNEYS[0].1);
        assert!(parse_journey(&over, &bank()).is_err());
    }

    #[test]
    fn two_steps_of_one_name_are_not_a_journey() {
        let twice = JOURNEYS[0].1.replace("\"id\": \"signature\"", "\"id\": \"document\"");
        assert_ne!(twice, JOURNEYS[0].1);
        assert!(parse_journey(&twice, &bank()).is_err());
    }
}
