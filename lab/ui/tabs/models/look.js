// The tab asks what is at work when it is opened, and then once a second for as long as somebody sees it.
const look = () => { if (element.offsetParent && !document.hidden) trigger("input"); };
document.addEventListener("lab:tab", look);
setInterval(look, 1000);
look();
