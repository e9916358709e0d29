use crate::vocab::name::ServiceName;

/// Seeded chance: whoever knows the seed knows every throw. Each service has dice of its own, so that what happens to one
/// changes nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a fleet.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The dice of one of its services.
    pub(super) fn of(self, name: &ServiceName) -> Self {
        // FNV-1a.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.0, mix))
    }

    /// A number from 0 to less than 1, by SplitMix64.
    pub(super) fn throw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let upper = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        f64::from(upper) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;
    use crate::machine::sim::spec_maker::name;

    #[test]
    fn throws_are_the_same_for_the_same_seed_and_spread_over_their_range() {
        let throws = |seed: u64, text: &str| {
            let mut dice = Dice::new(seed).of(&name(text));
            (0..1000).map(|_| dice.throw()).collect::<Vec<f64>>()
        };
        let api = throws(7, "api");
        assert_eq!(api, throws(7, "api"));
        assert_ne!(api[0], throws(8, "api")[0]);
        assert_ne!(api[0], throws(7, "web")[0]);
        assert!(api.iter().all(|throw| (0.0..1.0).contains(throw)));
        for tenth in 0..10 {
            let count = api.iter().filter(|throw| (**throw * 10.0) as u32 == tenth).count();
            assert!((50..200).contains(&count), "{count} of 1000 in tenth {tenth}");
        }
    }
}
