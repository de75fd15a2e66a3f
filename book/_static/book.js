// What scrolls by itself can be reached with the keyboard, and says that it scrolls.
(() => {
  const mark = () => {
    for (const box of document.querySelectorAll("div.cell_output, .pst-scrollable-table-container, .explorer-table")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("scrolls", scrolls);
      if (scrolls) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        if (!box.hasAttribute("aria-label")) box.setAttribute("aria-label", "Wider than the screen, scrolls sideways");
      } else if (box.getAttribute("aria-label") === "Wider than the screen, scrolls sideways") {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  };
  window.addEventListener("load", mark);
  window.addEventListener("resize", mark);
})();
