// What a person would see is wrong with the page that is open: a list of sentences.
() => {
  const MOST = 1.5; // pixels that rounding accounts for
  const FOLDED = '[data-testid="stSidebar"][data-collapsed="true"]';
  const shown = (element) =>
    !element.closest(FOLDED) && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const told = (element) => element.textContent.trim().replace(/\s+/g, " ").slice(0, 60);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)].filter(shown);

  const broken = () =>
    all('[data-testid="stException"], [data-testid="stAlertContentError"]').map((box) => `error box: ${told(box)}`);

  const titles = () => (all("h1").length === 1 ? [] : [`${all("h1").length} titles`]);

  const scrolls = () =>
    [document.scrollingElement, ...all('[data-testid="stMain"], [data-testid="stSidebarContent"]')]
      .filter((box) => box.scrollWidth > box.clientWidth + MOST)
      .map((box) => `${box.dataset.testid ?? "document"} scrolls sideways: ${box.scrollWidth} of ${box.clientWidth} px`);

  // texts that are cut by a box that hides what is too wide
  const TEXTS =
    'h1, h2, h3, h4, p, label, summary, [data-testid="stMetricValue"], [data-testid="stMetricLabel"], ' +
    '[data-testid="stBadge"], [data-testid="stText"], [role="tab"]';
  const hides = (element) => getComputedStyle(element).overflowX !== "visible";
  const clipped = () =>
    all(TEXTS)
      .filter((text) => [text, ...text.querySelectorAll("*")].some((e) => hides(e) && e.clientWidth > MOST && e.scrollWidth > e.clientWidth + MOST))
      .map((text) => `cut off: ${told(text)}`);

  // what reaches past the sides of the page, or past the button that it stands in
  const outside = () =>
    all("h1, h2, h3, h4, p, button, .js-plotly-plot, [data-testid='stDataFrame'], [data-testid='stMetric']")
      .filter((element) => !element.closest('[role="tablist"]')) // more tabs than fit are reached by swiping
      .filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && (box.left < -MOST || box.right > innerWidth + MOST);
      })
      .map((element) => `past the side of the page: ${element.tagName} ${told(element)}`);

  const inButton = () =>
    all("button")
      .filter((button) => all("p, span", button).some((text) => sticksOut(text, button.getBoundingClientRect())))
      .map((button) => `text past its button: ${told(button)}`);

  const sticksOut = (element, box) => {
    const own = element.getBoundingClientRect();
    return own.left < box.left - MOST || own.right > box.right + MOST || own.top < box.top - MOST || own.bottom > box.bottom + MOST;
  };

  const CHART_TEXTS = ".gtitle, .xtitle, .ytitle, .xtick text, .ytick text, .legendtext, .annotation-text, .cbtitle text";
  const chartTexts = (chart) => all(CHART_TEXTS, chart).filter((text) => told(text));
  const charts = () =>
    [...document.querySelectorAll(".js-plotly-plot")].filter(shown).flatMap((chart) => {
      const box = chart.getBoundingClientRect();
      const title = told(chart.querySelector(".gtitle") ?? chart);
      const texts = chartTexts(chart);
      const past = texts.filter((text) => sticksOut(text, box)).map((text) => `past its chart: ${told(text)}`);
      const faint = texts.filter((text) => contrast(text) < 4.5).map((text) => `too faint: ${told(text)}`);
      return [
        ...(isDrawn(chart) ? [] : ["nothing is drawn"]), ...past, ...overlaps(texts), ...faint,
      ].map((fault) => `chart "${title}": ${fault}`);
    });

  // words in a chart's own area, such as the numbers of a matrix, stand on colours that are not known here
  const contrast = (text) => {
    if (text.matches(".annotation-text")) return 21;
    const page = getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor;
    const [one, other] = [luminance(getComputedStyle(text).fill), luminance(page)].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
  };
  const luminance = (colour) => {
    const linear = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };

  const MARKS = ".mlayer path, .mlayer image, canvas.gl-canvas-context, .pielayer path";
  const isDrawn = (chart) => {
    const size = chart._fullLayout?._size;
    return size && size.w > 80 && size.h > 60 && chart.querySelectorAll(MARKS).length > 0;
  };

  const overlaps = (texts) => {
    const level = texts.filter((text) => !/rotate\((?!0|360)/.test(text.getAttribute("transform"))); // a slope's box is no measure
    const boxes = level.map((text) => [text, text.getBoundingClientRect()]);
    return boxes.flatMap(([one, a], i) =>
      boxes
        .slice(i + 1)
        .filter(([, b]) => cover(a.left, a.right, b.left, b.right) > 3 && cover(a.top, a.bottom, b.top, b.bottom) > 3)
        .map(([other]) => `"${told(one)}" lies over "${told(other)}"`),
    );
  };
  const cover = (from, to, otherFrom, otherTo) => Math.min(to, otherTo) - Math.max(from, otherFrom);

  return [...new Set([broken, titles, scrolls, clipped, outside, inButton, charts].flatMap((find) => find()))];
}
