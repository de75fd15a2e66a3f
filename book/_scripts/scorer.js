// Which pages search shows first: those that explain, before those that measure.
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    if (/^(detectors|datasets)\//.test(page)) return score / 4;
    if (/^(api|api-reference(\/.*)?|code|dependencies|references)$/.test(page)) return score / 2;
    if (/^(words|method)$/.test(page)) return score * 2;
    return score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
