// What a picky eye sees, measured: returns sentences about what is wrong with the page as it is now.
() => {
  const wrong = [];
  const name = (element) => {
    const text = (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") || ""}"> "${text}"`;
  };
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const isForEars = (element) => element.closest(".hidden, .skip") !== null;
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const scroller = (element) => {
    for (let box = element; box && box !== document.body; box = box.parentElement) if (scrolls(box)) return box;
    return null;
  };
  const width = document.documentElement.clientWidth;

  const isTooWide = document.documentElement.scrollWidth > width;
  if (isTooWide) wrong.push(`the page is ${document.documentElement.scrollWidth} wide in ${width}`);
  for (const element of document.body.querySelectorAll("*")) {
    if (!isSeen(element) || isForEars(element) || scroller(element)) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const isShape = element.namespaceURI === "http://www.w3.org/2000/svg" && element.tagName !== "text";
    if ((isTooWide || !isShape) && (box.right > width + 1 || box.left < -1)) wrong.push(`out of the page: ${name(element)} from ${Math.round(box.left)} to ${Math.round(box.right)} in ${width}`);
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!hasText || isShape) continue;
    const style = getComputedStyle(element);
    const cuts = ["hidden", "clip"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
    if (cuts && !element.closest("[title]")) wrong.push(`cut: ${name(element)}, ${element.scrollWidth} in ${element.clientWidth}`);
    if (["hidden", "clip"].includes(style.overflowY) && element.scrollHeight > element.clientHeight + 2) wrong.push(`cut below: ${name(element)}`);
  }
  for (const image of document.images) {
    if (!image.getAttribute("width") || !image.getAttribute("height")) wrong.push(`no size: ${image.outerHTML}`);
    if (image.getAttribute("alt") === null) wrong.push(`no alt: ${image.outerHTML}`);
  }
  return wrong.slice(0, 20);
}
