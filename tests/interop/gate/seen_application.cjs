// Writes the method, the address and the id of each request to a file: node seen_application.cjs PORT FILE
const fs = require("fs");
const [port, file] = process.argv.slice(2);
require("http").createServer((request, response) => {
    fs.appendFileSync(file, `${request.method} ${request.url} ${request.headers["x-request-id"] || ""}\n`);
    request.resume();
    request.on("end", () => response.end("hello"));
}).listen(Number(port), "127.0.0.1");
