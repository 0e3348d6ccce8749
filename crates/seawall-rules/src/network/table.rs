//! Prefixes of one address family, unfolded: the address space in order, cut wherever the
//! verdict changes. A lookup is a binary search for the last cut at or below the address.

use ipnet::IpNet;

/// One prefix and its verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    first: u128,
    last: u128,
    admits: bool,
}

/// Where the verdict changes: it is `lowest` below the first cut and the opposite after each.
///
/// There are never more cuts than twice the addresses of the family, so a search takes at most
/// one step more than an address has bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table<A> {
    lowest: bool,
    cuts: Box<[A]>,
}

impl Rule {
    /// The range of an IPv4 prefix, as numbers of 32 bits; nothing for the other family.
    pub(super) fn v4(net: &IpNet) -> Option<Self> {
        let IpNet::V4(net) = net else { return None };
        let [first, last] = [net.network(), net.broadcast()].map(|ip| u32::from(ip).into());
        Some(Self { first, last, admits: false })
    }

    /// The range of an IPv6 prefix; nothing for the other family.
    pub(super) fn v6(net: &IpNet) -> Option<Self> {
        let IpNet::V6(net) = net else { return None };
        let [first, last] = [net.network(), net.broadcast()].map(u128::from);
        Some(Self { first, last, admits: false })
    }

    /// The same range with this verdict.
    pub(super) fn admitting(self, admits: bool) -> Self {
        Self { admits, ..self }
    }
}

impl<A: Copy + Ord + TryFrom<u128>> Table<A> {
    /// A table of these rules, in any order; `others` is the verdict where none matches.
    pub(super) fn new(mut rules: Vec<Rule>, others: bool) -> Self {
        // Prefixes nest or are disjoint. In this order each stands after all that hold it, and
        // of two with the same addresses the one that denies comes last.
        rules.sort_unstable_by_key(|rule| (rule.first, u128::MAX - rule.last, !rule.admits));
        let mut verdicts = Verdicts { from: vec![(0, others)] };
        let mut open: Vec<Rule> = Vec::new();
        let close = |open: &mut Vec<Rule>, verdicts: &mut Verdicts, before: Option<u128>| {
            while let Some(rule) =
                open.pop_if(|rule| before.is_none_or(|before| rule.last < before))
            {
                let outside = open.last().map_or(others, |rule| rule.admits);
                if let Some(next) = rule.last.checked_add(1) {
                    verdicts.begin(next, outside);
                }
            }
        };
        for rule in rules {
            close(&mut open, &mut verdicts, Some(rule.first));
            verdicts.begin(rule.first, rule.admits);
            open.push(rule);
        }
        close(&mut open, &mut verdicts, None);
        verdicts.cut()
    }

    /// The verdict on an address.
    pub(super) fn admits(&self, address: A) -> bool {
        let cuts = self.cuts.partition_point(|cut| *cut <= address);
        self.lowest ^ (cuts % 2 == 1)
    }

    /// Whether every address is admitted.
    pub(super) fn is_everyone(&self) -> bool {
        self.lowest && self.cuts.is_empty()
    }

    /// Whether no address is.
    pub(super) fn is_nobody(&self) -> bool {
        !self.lowest && self.cuts.is_empty()
    }
}

/// From which address on which verdict holds, ascending.
struct Verdicts {
    from: Vec<(u128, bool)>,
}

impl Verdicts {
    /// `admits` holds from here on; what began at the same address is replaced.
    fn begin(&mut self, first: u128, admits: bool) {
        self.from.pop_if(|(from, _)| *from == first);
        self.from.push((first, admits));
    }

    /// Keeps the changes alone. A range that reaches the family's last address ends beyond what
    /// `A` can hold, and is not cut there.
    fn cut<A: TryFrom<u128>>(self) -> Table<A> {
        let lowest = self.from.first().is_some_and(|(_, admits)| *admits);
        let mut before = lowest;
        let changes = self
            .from
            .into_iter()
            .filter(|(_, admits)| std::mem::replace(&mut before, *admits) != *admits);
        Table { lowest, cuts: changes.filter_map(|(from, _)| A::try_from(from).ok()).collect() }
    }
}
