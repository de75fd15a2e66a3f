// The excerpts of search from passages.js, so that they show in a book opened from a disk too.
(() => {
  const root = document.documentElement.dataset.content_root;
  // searchtools.js asks for each page that it found and hands what comes to makeSearchSummary
  window.fetch = (address) =>
    Promise.resolve({ text: () => Promise.resolve(address.slice(root.length).replace(/\.html$/, "")) });
  Search.makeSearchSummary = (page, words, anchor) => {
    const passages = window.PASSAGES[page] || {};
    const hits = (text) => [...words].filter((word) => text.toLowerCase().includes(word.toLowerCase())).length;
    const best = Object.values(passages).reduce((one, other) => (hits(other) > hits(one) ? other : one), "");
    const said = passages[anchor.replace(/^#/, "")] || best || passages[""] || "";
    if (!said) return null;
    const summary = document.createElement("p");
    summary.classList.add("context");
    summary.textContent = said;
    return summary;
  };
})();
