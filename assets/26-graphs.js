/* A chart that already has the size of its place is not laid out again. Dash asks for it after each
   drawing, and Plotly waits a tenth of a second before it finds that nothing has changed. */
(() => {
  "use strict";
  const resize = window.Plotly.Plots.resize;
  // As Plotly rounds: a pixel more or less is the same size.
  const alike = (one, other) => Math.abs(one - other) <= 1;
  window.Plotly.Plots.resize = (graph) => {
    const drawn = graph?._fullLayout;
    const fits =
      drawn && alike(drawn.width, graph.clientWidth) && alike(drawn.height, graph.clientHeight);
    return fits ? Promise.resolve(graph) : resize(graph);
  };
})();
