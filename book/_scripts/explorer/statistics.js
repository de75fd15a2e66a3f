// The statistics of rrlib.analysis in JavaScript: intervals of shares, worst cases, guardrails.
// Each function does what its namesake in Python does; tests compare them in a browser.
"use strict";
const Statistics = (() => {
  const ENOUGH_RARE = 12; // rrlib.analysis.intervals
  const FEW_GROUPS = 10;
  const clip = (x, low, high) => Math.min(Math.max(x, low), high);

  // ln Γ by Lanczos' approximation (g = 7, n = 9), about 15 digits
  const LANCZOS = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  function lnGamma(x) {
    if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - lnGamma(1 - x);
    const t = x + 6.5;
    const sum = LANCZOS.reduce((s, c, i) => (i === 0 ? c : s + c / (x - 1 + i)), 0);
    return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
  }

  // regularised incomplete beta function by Lentz's continued fraction (Numerical Recipes, 6.4)
  function fraction(a, b, x) {
    const tiny = 1e-300;
    const safe = (v) => (Math.abs(v) < tiny ? tiny : v);
    let c = 1;
    let d = 1 / safe(1 - ((a + b) * x) / (a + 1));
    let h = d;
    for (let m = 1; m <= 500; m++) {
      const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 / safe(1 + even * d);
      c = safe(1 + even / c);
      h *= d * c;
      const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
      d = 1 / safe(1 + odd * d);
      c = safe(1 + odd / c);
      h *= d * c;
      if (Math.abs(d * c - 1) < 1e-15) break;
    }
    return h;
  }
  function incompleteBeta(a, b, x, lnBeta = lnGamma(a + b) - lnGamma(a) - lnGamma(b)) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const front = Math.exp(lnBeta + a * Math.log(x) + b * Math.log1p(-x));
    return x < (a + 1) / (a + b + 2) ? (front * fraction(a, b, x)) / a : 1 - (front * fraction(b, a, 1 - x)) / b;
  }
  // its inverse: Newton's steps inside a bracket that halves where they leave it
  function inverseBeta(a, b, p) {
    if (p <= 0) return 0;
    if (p >= 1) return 1;
    const lnBeta = lnGamma(a + b) - lnGamma(a) - lnGamma(b);
    let low = 0;
    let high = 1;
    let x = a / (a + b);
    for (let step = 0; step < 200; step++) {
      const error = incompleteBeta(a, b, x, lnBeta) - p;
      if (error > 0) high = x;
      else low = x;
      const slope = Math.exp(lnBeta + (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x));
      let next = x - error / slope;
      if (!(next > low && next < high)) next = (low + high) / 2;
      if (Math.abs(next - x) <= 1e-14 * Math.max(x, 1e-300) || high - low < 1e-16) return next;
      x = next;
    }
    return x;
  }
  // the t quantile of a small lower tail, so negative
  function tQuantile(freedom, tail) {
    const x = inverseBeta(freedom / 2, 0.5, 2 * tail);
    return -Math.sqrt(freedom * (1 / x - 1));
  }

  // what a share of grouped samples is worth: moments → {share, size, freedom}
  function effective({ hits, squares, cross, rarer }, sizes) {
    const { count, n, squared } = sizes;
    const share = hits / n;
    const equal = (n * n) / squared;
    const believed = clip((rarer - 1) / (ENOUGH_RARE - 1), 0, 1);
    if (count === n) return { share, size: n, freedom: n - 1 };
    const spread = Math.max(squares - 2 * share * cross + share * share * squared, 0);
    const variance = ((count > 1 ? count / (count - 1) : 1) * spread) / (n * n);
    const independent = (share * (1 - share)) / n;
    const measured = independent > 0 ? Math.max(variance / independent, 1) : 1;
    const design = believed * measured + (1 - believed) * Math.max(n / equal, measured);
    return { share, size: n / design, freedom: equal - 1 };
  }
  function clopperPearson({ share, size, freedom }, n, tail) {
    if (freedom < n - 1) {
      const wider = freedom > 1e-9 ? (tQuantile(n - 1, tail) / tQuantile(freedom, tail)) ** 2 : 0;
      size = clip(size * wider, freedom + 1, n);
    }
    const hits = share * size;
    return [
      share > 0 ? inverseBeta(Math.max(hits, 1e-300), size - hits + 1, tail) : 0,
      share < 1 ? 1 - inverseBeta(Math.max(size - hits, 1e-300), hits + 1, tail) : 1,
    ];
  }

  // the sizes of groups, of those samples alone that are chosen
  function sizesOf(groups, chosen) {
    const sizes = new Float64Array(Math.max(...groups) + 1);
    groups.forEach((group, i) => (sizes[group] += !chosen || chosen[i] ? 1 : 0));
    const present = sizes.filter((size) => size > 0);
    return {
      each: sizes,
      count: present.length,
      n: present.reduce((a, b) => a + b, 0),
      squared: present.reduce((a, b) => a + b * b, 0),
    };
  }
  // hits (of 0 and 1) → {value, low, high, trusted}
  function shareInterval(hits, groups, confidence, chosen) {
    const sizes = sizesOf(groups, chosen);
    const sums = new Float64Array(sizes.each.length);
    hits.forEach((hit, i) => (sums[groups[i]] += hit && (!chosen || chosen[i]) ? 1 : 0));
    const moments = { hits: 0, squares: 0, cross: 0, rarer: 0 };
    let some = 0;
    let less = 0;
    sums.forEach((sum, g) => {
      moments.hits += sum;
      moments.squares += sum * sum;
      moments.cross += sum * sizes.each[g];
      some += sum > 0;
      less += sum < sizes.each[g];
    });
    moments.rarer = Math.min(some, less);
    const found = effective(moments, sizes);
    const [low, high] = clopperPearson(found, sizes.n, (1 - confidence) / 2);
    const trusted = sizes.count === sizes.n || found.freedom + 1 >= FEW_GROUPS - 1e-9;
    return { value: found.share, low, high, trusted };
  }

  // each sample's worst over the attacks and every ε up to number `upto` of the study's ε > 0
  function worstCase(detector, attacks, upto) {
    const { clean, label, threshold } = detector;
    const n = clean.length;
    const worst = {
      shift: new Float64Array(n),
      right: Uint8Array.from(clean, (p, i) => p > threshold === (label[i] === 1)),
      kept: new Uint8Array(n).fill(1),
      crossed: new Float64Array(n),
    };
    clean.forEach((p, i) => (worst.crossed[i] = p > threshold ? threshold - p : p - threshold));
    for (const name of attacks) {
      const { p, shift } = detector.attacks[name];
      for (let at = 0; at < upto * n; at++) {
        const i = at % n;
        const said = clean[i] > threshold;
        const moved = shift ? shift[at] : Math.abs(p[at] - clean[i]);
        if (moved > worst.shift[i]) worst.shift[i] = moved;
        if (p[at] > threshold !== (label[i] === 1)) worst.right[i] = 0;
        if (p[at] > threshold !== said) worst.kept[i] = 0;
        const crossed = said ? threshold - p[at] : p[at] - threshold;
        if (crossed > worst.crossed[i]) worst.crossed[i] = crossed;
      }
    }
    return worst;
  }

  // RR at a tolerance; by definition it is 1 at ε = 0 and at the largest shift that can be
  function robustRatio(detector, worst, tolerance, confidence, clean) {
    const hits = Uint8Array.from(worst.shift, (shift) => shift <= tolerance);
    const found = shareInterval(hits, detector.group, confidence);
    return clean || tolerance >= 1 ? { ...found, low: 1 } : found;
  }
  const robustAccuracy = (detector, worst, confidence) => shareInterval(worst.right, detector.group, confidence);

  // the narrowest band that keeps the flipped share within the budget with this confidence; NaN where none does
  function promisedBand(reach, groups, budget, confidence, chosen) {
    const sizes = sizesOf(groups, chosen);
    const order = [...reach.keys()].filter((i) => chosen[i] && reach[i] >= 0);
    order.sort((i, j) => reach[j] - reach[i] || groups[i] - groups[j]);
    const flipped = new Float64Array(sizes.each.length);
    const moments = { hits: 0, squares: 0, cross: 0, rarer: 0 };
    let some = 0;
    let whole = 0;
    for (let flips = 0; ; flips++) {
      moments.rarer = Math.min(some, sizes.count - whole);
      const bound = clopperPearson(effective(moments, sizes), sizes.n, 1 - confidence)[1];
      if (!(bound <= budget)) return flips === 0 ? NaN : reach[order[flips - 1]];
      if (flips === order.length) return 0;
      const group = groups[order[flips]];
      moments.hits += 1;
      moments.squares += 2 * flipped[group] + 1;
      moments.cross += sizes.each[group];
      some += flipped[group] === 0;
      flipped[group] += 1;
      whole += flipped[group] === sizes.each[group];
    }
  }
  // rrlib.analysis.bands of one detector: found on one half of the groups, judged on the other
  function guardrail(detector, worst, budget, confidence, on) {
    const { clean, threshold, group, finding } = detector;
    const margin = Float64Array.from(clean, (p) => Math.abs(p - threshold));
    const reach = Float64Array.from(margin, (m, i) =>
      worst.kept[i] ? -1 : on === "clean score" ? m : Math.max(worst.crossed[i], 0)
    );
    const judging = finding.map((each) => 1 - each);
    const band = sizesOf(group, finding).count > 1 ? promisedBand(reach, group, budget, confidence, finding) : NaN;
    if (Number.isNaN(band)) return { verdict: "cannot be promised", band };
    const share = (test) => shareInterval(margin.map((m, i) => test(i)), group, confidence, judging);
    const decided = share((i) => margin[i] > band);
    const flipped = share((i) => reach[i] > band);
    return { verdict: decided.value > 0 ? "promised" : "decides nothing", band, decided, flipped };
  }

  return {
    incompleteBeta, inverseBeta, tQuantile, shareInterval, worstCase, robustRatio, robustAccuracy, promisedBand, guardrail,
  };
})();
