// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

using Events = std::vector<std::string>;

class FileWrapper : public RuntimeTest {
 protected:
  /// `f` is the open file with ten digits.
  Reply send(const std::string& headers, const std::string& before, const std::string& result) {
    const std::string path = write("data.txt", "0123456789");
    return run_body("f = open('" + path + "', 'rb')\n" + before + "\nstart_response('200 OK', [" +
                    headers + "])\nreturn " + result);
  }
};

TEST_F(FileWrapper, HandsRegularFilesOver) {
  const Reply reply = send("", "pass", "environ['wsgi.file_wrapper'](f)");

  EXPECT_EQ(reply.events, (Events{"head", "file 10"}));
  EXPECT_EQ(reply.header("Content-Length"), "10");
  EXPECT_EQ(reply.body, "0123456789");
  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE);
}

TEST_F(FileWrapper, StartsWhereTheFileStands) {
  const Reply reply = send("", "f.seek(7)", "environ['wsgi.file_wrapper'](f, 4096)");

  EXPECT_EQ(reply.header("Content-Length"), "3");
  EXPECT_EQ(reply.body, "789");
}

TEST_F(FileWrapper, ObeysContentLengthAndTheSizeOfTheFile) {
  const Reply part =
      send("('Content-Length', '4')", "f.seek(2)", "environ['wsgi.file_wrapper'](f)");
  const Reply too_long =
      send("('Content-Length', '40')", "pass", "environ['wsgi.file_wrapper'](f)");

  EXPECT_EQ(part.body, "2345");
  EXPECT_EQ(part.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(too_long.body, "0123456789");
  EXPECT_EQ(too_long.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(too_long.outcome.code, 6005u);
}

TEST_F(FileWrapper, IteratesOverEverythingElse) {
  const Reply memory =
      send("", "import io", "environ['wsgi.file_wrapper'](io.BytesIO(b'abcdef'), 4)");
  const Reply compressed =
      send("", "import gzip, io\nopen(f.name + '.gz', 'wb').write(gzip.compress(b'plain'))",
           "environ['wsgi.file_wrapper'](gzip.open(f.name + '.gz'))");
  const Reply after_write = send("",
                                 "write = start_response('200 OK', [])\nwrite(b'>')\n"
                                 "start_response = lambda *a: None",
                                 "environ['wsgi.file_wrapper'](f)");

  EXPECT_EQ(memory.events, (Events{"head", "body 4", "flush", "body 2", "flush"}));
  EXPECT_EQ(compressed.body, "plain");
  EXPECT_EQ(after_write.body, ">0123456789");
}

TEST_F(FileWrapper, ClosesItsFileOnce) {
  const Reply reply = run_body(
      "class File:\n"
      "    def close(self):\n"
      "        print('closed')\n"
      "wrapper = environ['wsgi.file_wrapper'](File())\n"
      "wrapper.close()\n"
      "wrapper.close()\n"
      "try:\n"
      "    next(wrapper)\n"
      "except ValueError as e:\n"
      "    print(e)\n" +
      answering("[wrapper.blksize, issubclass(type(wrapper), object)]"));

  EXPECT_EQ(reply.body, "[8192, True]") << reply.whole_log();
  EXPECT_EQ(reply.log[0], "3 closed");
  EXPECT_EQ(reply.log[1], "3 I/O operation on closed file");
}

TEST_F(FileWrapper, ChecksItsArgumentsAndWhatItReads) {
  EXPECT_TRUE(run_body("environ['wsgi.file_wrapper'](None, -1)").logged("ValueError"));
  EXPECT_TRUE(run_body("import io\nnext(environ['wsgi.file_wrapper'](io.StringIO('x')))")
                  .logged("TypeError"));
}

TEST_F(FileWrapper, MayBeSubclassed) {
  const Reply reply = send("",
                           "class Mine(environ['wsgi.file_wrapper']):\n"
                           "    def __init__(self, other):\n"
                           "        super().__init__(other)\n"
                           "        self.extra = 1",
                           "Mine(f)");

  EXPECT_EQ(reply.body, "0123456789") << reply.whole_log();
}

/// One file-like object, made by an expression over `path` (0..9 repeated 3000 times), `gz` and
/// `xz` (the same, compressed) and `secret` (the same, every byte + 1).
struct Filelike {
  const char* name;
  const char* make;
  bool is_handed_over;  ///< as a descriptor
};

constexpr const char* kClasses = R"(
import bz2, codecs, gzip, io, lzma, mmap, os, tarfile, tempfile, threading, zipfile
plain = b'0123456789' * 3000
path, gz, xz, secret, bz, zipped, tarred = (folder + '/x.' + e for e in
                                            ('bin', 'gz', 'xz', 'sec', 'bz2', 'zip', 'tar'))
if not os.path.exists(tarred):
    open(path, 'wb').write(plain)
    open(gz, 'wb').write(gzip.compress(plain))
    open(xz, 'wb').write(lzma.compress(plain))
    open(bz, 'wb').write(bz2.compress(plain))
    open(secret, 'wb').write(bytes(b + 1 for b in plain))
    with zipfile.ZipFile(zipped, 'w') as z: z.write(path, 'x')
    with tarfile.open(tarred, 'w') as t: t.add(path, 'x')
class Gz(gzip.GzipFile): pass
class Sub(io.FileIO): pass
class Upper(io.FileIO):
    def readinto(self, b):
        n = super().readinto(b); b[:n] = bytes(x + 16 for x in b[:n]); return n
    def read(self, n=-1): return bytes(x + 16 for x in super().read(n))
class SubReader(io.BufferedReader): pass
class Proxy:
    def __init__(self, f): self.f = f
    def read(self, n=-1): return bytes(b - 1 for b in self.f.read(n))
    def __getattr__(self, name): return getattr(self.f, name)
class NoFileno:
    def __init__(self, f): self.read = f.read
class Liar(NoFileno):
    def fileno(self): return os.open(secret, os.O_RDONLY)
    def tell(self): return 0
def with_own(f, **own):
    for name, value in own.items(): setattr(f, name, value)
    return f
def after(f, *actions):
    for action in actions: action(f)
    return f
def spooled(rolled):
    f = tempfile.SpooledTemporaryFile(); f.write(plain); rolled and f.rollover(); f.seek(3); return f
def piped():
    r, w = os.pipe(); os.write(w, b'piped'); os.close(w); return os.fdopen(r, 'rb')
def other_raw(f):
    f.__init__(io.FileIO(secret)); return f
def copied():
    p = folder + '/copy'; open(p, 'wb').write(plain); return p
def put(f, text): f.write(text)
)";

constexpr Filelike kFilelikes[] = {
    {"open", "open(path, 'rb')", true},
    {"unbuffered", "open(path, 'rb', 0)", true},
    {"FileIO", "io.FileIO(path)", true},
    {"fdopen", "os.fdopen(os.open(path, os.O_RDONLY), 'rb')", true},
    {"read before", "after(open(path, 'rb'), lambda f: f.read(7))", true},
    {"peeked", "after(open(path, 'rb'), lambda f: f.peek())", true},
    {"seeked", "after(open(path, 'rb'), lambda f: f.seek(29000))", true},
    {"at its end", "after(open(path, 'rb'), lambda f: f.read())", false},
    {"beyond its end", "after(open(path, 'rb'), lambda f: f.seek(99999))", false},
    {"random", "open(path, 'r+b')", true},
    {"random, read", "after(open(path, 'r+b'), lambda f: f.read(3))", true},
    {"random, not flushed", "after(open(copied(), 'r+b'), lambda f: put(f, b'xyz'))", true},
    {"random, written and back",
     "after(open(copied(), 'r+b'), lambda f: put(f, b'xyz'), lambda f: f.seek(1))", true},
    {"append", "open(copied(), 'a+b')", false},
    {"temporary", "after(tempfile.TemporaryFile(), lambda f: put(f, plain), lambda f: f.seek(2))",
     true},
    {"named temporary",
     "after(tempfile.NamedTemporaryFile(), lambda f: put(f, plain), lambda f: f.seek(2))", false},
    {"spooled", "spooled(False)", false},
    {"spooled, rolled over", "spooled(True)", false},
    {"buffer out of date, raw moved",
     "after(open(path, 'rb'), lambda f: f.read(2), lambda f: f.raw.seek(20005))", false},
    {"descriptor moved",
     "after(open(path, 'rb'), lambda f: f.read(2), lambda f: os.lseek(f.fileno(), 20005, 0))",
     false},
    {"descriptor moved, unbuffered",
     "after(io.FileIO(path), lambda f: os.lseek(f.fileno(), 20005, 0))", true},
    {"detached raw", "after(open(path, 'rb'), lambda f: None).detach()", true},
    {"another raw", "other_raw(open(path, 'rb'))", true},
    {"gzip", "gzip.open(gz)", false},
    {"gzip subclass", "Gz(gz)", false},
    {"buffered gzip", "io.BufferedReader(gzip.open(gz))", false},
    {"bz2", "bz2.open(bz)", false},
    {"lzma", "lzma.open(xz)", false},
    {"zip", "zipfile.ZipFile(zipped).open('x')", false},
    {"tar", "tarfile.open(tarred).extractfile('x')", false},
    {"encoded", "codecs.EncodedFile(open(path, 'rb'), 'utf-16-le', 'latin-1')", false},
    {"StreamReader", "codecs.open(path, 'rb')", true},
    {"proxy", "Proxy(open(secret, 'rb'))", false},
    {"FileIO subclass", "Sub(path)", false},
    {"deciphering FileIO", "Upper(path)", false},
    {"buffered, deciphering", "io.BufferedReader(Upper(path))", false},
    {"BufferedReader subclass", "SubReader(io.FileIO(path))", false},
    {"own read", "with_own(open(path, 'rb'), read=open(secret, 'rb').read)", false},
    {"own read of FileIO", "with_own(io.FileIO(path), read=open(secret, 'rb').read)", false},
    {"own readinto of raw",
     "after(open(path, 'rb'), lambda f: with_own(f.raw, readinto=io.FileIO(secret).readinto))",
     false},
    {"own fileno", "with_own(open(path, 'rb'), fileno=lambda: os.open(secret, os.O_RDONLY))",
     false},
    {"without fileno", "NoFileno(open(path, 'rb'))", false},
    {"lying fileno", "Liar(open(path, 'rb'))", false},
    {"memory", "io.BytesIO(plain)", false},
    {"map", "mmap.mmap(os.open(path, os.O_RDONLY), 0, prot=mmap.PROT_READ)", false},
    {"pipe", "piped()", false},
    {"proc", "open('/proc/self/comm', 'rb')", false},
    {"sys",
     "open('/sys/kernel/mm/transparent_hugepage/enabled', 'rb')"
     " if os.path.exists('/sys/kernel/mm/transparent_hugepage/enabled') else io.BytesIO()",
     false},
};

TEST_F(FileWrapper, SendsWhatReadGivesWhateverTheObjectIs) {
  const std::string prepare = "globals()['folder'] = '" + folder() + "'\nexec(open('" +
                              write("classes.txt", kClasses) + "').read(), globals())\n";
  for (const Filelike& one : kFilelikes) {
    const auto reply_with = [&](const std::string& wrapper) {
      return run_body(prepare + "import wsgiref.util\nf = " + one.make +
                      "\nstart_response('200 OK', [])\nreturn " + wrapper + "(f)");
    };
    const Reply ours = reply_with("environ['wsgi.file_wrapper']");
    const Reply reference = reply_with("wsgiref.util.FileWrapper");

    EXPECT_EQ(ours.body, reference.body) << one.name << "\n" << ours.whole_log();
    EXPECT_EQ(ours.outcome.kind, WSGIX_COMPLETE) << one.name << "\n" << ours.whole_log();
    const bool handed_over = ours.events.size() > 1 && ours.events[1].starts_with("file ");
    EXPECT_EQ(handed_over, one.is_handed_over) << one.name;
  }
}

TEST_F(FileWrapper, HandsDjangosOwnFilesOver) {
  // Django as its source has it: the read of a File is a property that asks the file inside.
  const std::string django =
      "import sys, types, gzip, io\n"
      "for name in ('django.core.files.base', 'django.db.models.fields.files'):\n"
      "    sys.modules[name] = types.ModuleType(name)\n"
      "class File:\n"
      "    def __init__(self, file): self.file = file\n"
      "    read = property(lambda self: self.file.read)\n"
      "    fileno = property(lambda self: self.file.fileno)\n"
      "class FieldFile(File): pass\n"
      "class Sub(File):\n"
      "    def read(self, size): return b''\n"
      "sys.modules['django.core.files.base'].File = File\n"
      "sys.modules['django.db.models.fields.files'].FieldFile = FieldFile\n"
      "open(f.name + '.gz', 'wb').write(gzip.compress(b'plain'))\n"
      "wrap = environ['wsgi.file_wrapper']";
  const auto reply_to = [&](const std::string& file) {
    return send("", django, "wrap(" + file + ")");
  };
  const Events handed_over = {"head", "file 10"};

  EXPECT_EQ(reply_to("File(f)").events, handed_over);
  EXPECT_EQ(reply_to("FieldFile(File(f))").events, handed_over);
  EXPECT_EQ(reply_to("File(gzip.open(f.name + '.gz'))").body, "plain");
  EXPECT_EQ(reply_to("FieldFile(File(gzip.open(f.name + '.gz')))").body, "plain");
  EXPECT_EQ(reply_to("File(io.BytesIO(b'memory'))").body, "memory");
  EXPECT_EQ(reply_to("Sub(f)").body, "");
}

TEST_F(FileWrapper, ReadsInBlocksWhatTheClassOrItsBlockSizeChanges) {
  EXPECT_EQ(send("", "pass", "environ['wsgi.file_wrapper'](f, 0)").body, "");
  EXPECT_EQ(send("",
                 "class Twice(environ['wsgi.file_wrapper']):\n"
                 "    def __next__(self): return super().__next__() * 2",
                 "Twice(f)")
                .body,
            "01234567890123456789");
}

}  // namespace
}  // namespace wsgix::python_tests
