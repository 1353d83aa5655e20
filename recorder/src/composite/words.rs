//! What a film says: the clock, and cards where there is no picture. In Chinese and English, since
//! a film is shown to whoever has to see it.

use std::time::Duration;

use vbranch_domain::UnixMillis;

use crate::segment::GapCause;

/// Why there is no picture at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Card {
    /// Nothing of this track was recorded yet.
    NotHere,
    /// Nothing of it comes any more.
    Gone,
    /// No screen is shared.
    NotShared,
    /// The ledger has a gap.
    Missing(GapCause),
    /// It is coded as this film's maker cannot decode.
    NotShown(&'static str),
    /// Its pictures rest on some that are missing.
    Undecodable,
}

impl Card {
    /// Two lines.
    pub(super) fn words(self) -> [String; 2] {
        let pair = |zh: &str, en: &str| [zh.to_owned(), en.to_owned()];
        match self {
            Self::NotHere => pair("未接入", "not connected yet"),
            Self::Gone => pair("已离开", "has left"),
            Self::NotShared => pair("未共享屏幕", "no screen shared"),
            Self::Missing(cause) => {
                let [zh, en] = cause_words(cause);
                [format!("画面缺失：{zh}"), format!("picture missing: {en}")]
            }
            Self::NotShown(coding) => [format!("未显示：{coding}"), format!("not shown: {coding}")],
            Self::Undecodable => pair("画面无法解码", "picture cannot be decoded"),
        }
    }
}

/// The ledger's word for a cause.
pub(super) fn cause_words(cause: GapCause) -> [&'static str; 2] {
    let zh = match cause {
        GapCause::Loss => "网络丢包",
        GapCause::Reconnect => "重新连接",
        GapCause::Stalled => "未收到数据",
        GapCause::Overflow => "缓冲溢出",
        GapCause::Crash => "系统中断",
    };
    [zh, cause.as_str()]
}

/// A role in both languages; one of a newer version as it is.
pub(super) fn role_words(role: &str) -> String {
    let zh = match role {
        "customer" => "客户",
        "staff" => "柜员",
        "third_party" => "第三方",
        "supervisor" => "主管",
        other => return other.to_owned(),
    };
    format!("{zh} {role}")
}

/// Server time, to the tenth of a second: `2026-11-29 20:51:18.2 UTC`.
pub(super) fn clock(at: UnixMillis) -> String {
    let (days, ms) = (at.0.div_euclid(DAY_MS), at.0.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let tenths = ms / 100;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{} UTC",
        tenths / 36_000,
        tenths / 600 % 60,
        tenths / 10 % 60,
        tenths % 10
    )
}

/// Where in the recording: `+00:01:23.4`.
pub(super) fn offset(at: Duration) -> String {
    let tenths = at.as_millis() / 100;
    format!(
        "+{:02}:{:02}:{:02}.{}",
        tenths / 36_000,
        tenths / 600 % 60,
        tenths / 10 % 60,
        tenths % 10
    )
}

const DAY_MS: i64 = 86_400_000;

/// Year, month and day of a day since 1970, by the Gregorian calendar: counted in eras of 400
/// years that begin on the first of March.
const fn civil(days: i64) -> (i64, i64, i64) {
    let since = days + 719_468;
    let era = since.div_euclid(146_097);
    let day_of_era = since.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_clock_says_what_date_says() {
        // As `date -u -d @… '+%F %T'` has them.
        for (ms, text) in [
            (0, "1970-01-01 00:00:00.0 UTC"),
            (951_782_399_999, "2000-02-28 23:59:59.9 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00.0 UTC"),
            (1_735_689_599_000, "2024-12-31 23:59:59.0 UTC"),
            (1_796_000_000_123, "2026-11-30 00:53:20.1 UTC"),
            (-1, "1969-12-31 23:59:59.9 UTC"),
        ] {
            assert_eq!(clock(UnixMillis(ms)), text);
        }
        assert_eq!(offset(Duration::from_millis(3_723_450)), "+01:02:03.4");
    }

    proptest! {
        #[test]
        fn a_later_time_reads_as_a_later_text(a in 0i64..4_000_000_000_000, more in 100i64..1_000_000_000) {
            prop_assert!(clock(UnixMillis(a)) < clock(UnixMillis(a + more)));
        }
    }

    #[test]
    fn a_card_says_why_in_both_languages() {
        assert_eq!(
            Card::Missing(GapCause::Reconnect).words(),
            ["画面缺失：重新连接", "picture missing: reconnect"]
        );
        assert_eq!(Card::NotShown("VP8").words(), ["未显示：VP8", "not shown: VP8"]);
    }
}
