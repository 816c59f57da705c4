//! In which order limits are told.

use super::Caveat;

/// How much a limit may matter, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It could turn the finding.
    CouldTurn,
    /// It says under which conditions the finding holds.
    Condition,
    /// It is true of every such case, or small.
    Usual,
}

impl Caveat {
    /// Its place among others.
    pub(super) fn rank(&self) -> Rank {
        match self {
            Self::Screened { .. }
            | Self::NotCalibrated { .. }
            | Self::Extrapolated { .. }
            | Self::FewControls { .. }
            | Self::NoMatchedAlternative
            | Self::NoMatchedControl
            | Self::Unresponsive { .. }
            | Self::SuspectIs { .. }
            | Self::MarksTimeStamp
            | Self::IncompleteRecording { .. }
            | Self::ServedOther { .. }
            | Self::Drifted { .. }
            | Self::ChosenSeed { .. }
            | Self::PlannedAfter
            | Self::PartsDisagree { .. } => Rank::CouldTurn,
            Self::DoubtfulAlternative { .. }
            | Self::NamedAlternative { .. }
            | Self::BehaviourOnly
            | Self::WeightsTaken
            | Self::RelatedControls { .. }
            | Self::MeasureMissing { .. }
            | Self::ControlsDropped { .. }
            | Self::PosedRaw
            | Self::PosedAsTurns
            | Self::ReducedAccess { .. }
            | Self::SamplingUnknown { .. }
            | Self::SettingsUnseen { .. }
            | Self::HiddenReasoning { .. }
            | Self::Imported { .. }
            | Self::SmallBattery { .. } => Rank::Condition,
            Self::Normality
            | Self::NothingHeld { .. }
            | Self::Unanswered { .. }
            | Self::PublishedBattery => Rank::Usual,
        }
    }
}
