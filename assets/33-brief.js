/* A paragraph whose text differs from its draft is marked while it is being written. */
document.addEventListener("input", function (event) {
  var field = event.target;
  if (!field.matches || !field.matches(".brief-edit textarea")) return;
  var paragraph = field.closest("[data-draft]");
  if (!paragraph) return;
  var same = field.value.trim() === paragraph.dataset.draft.trim();
  paragraph.classList.toggle("is-edited", !same);
});
