// A page that is opened as a file may start no worker, and the search runs in one. So such a page gets a Worker that runs
// its script in a hidden frame: the frame's `postMessage` sends to the page, and `importScripts` adds script elements.
if (location.protocol === "file:") {
  // By this name the theme's script knows that it runs in a frame, and finds its word lists beside itself.
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = frame.contentWindow
      const home = new URL(url, document.baseURI)
      const load = (address) => new Promise((resolve, reject) => {
        const script = inside.document.createElement("script")
        Object.assign(script, { src: new URL(address, home), onload: resolve, onerror: reject })
        inside.document.head.append(script)
      })
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = async (...addresses) => {
        for (const address of addresses) await load(address)
      }
      this.inside = inside
      this.loaded = load(home)
    }

    postMessage(data) {
      this.loaded.then(() => this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data })))
    }
  }
}
