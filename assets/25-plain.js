/* Ready HTML as one Dash component (components/plain.py); its links to pages stay in the app. */
(() => {
  "use strict";
  window.board_html = {
    Html: ({ html }) =>
      window.React.createElement("div", {
        className: "plain",  // display: contents
        dangerouslySetInnerHTML: { __html: html },
      }),
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".plain a[href^='/']");
    // A file is fetched by the browser itself.
    if (!link || link.target || link.hasAttribute("download")) return;
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    window.history.pushState({}, "", link.href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  });
})();
