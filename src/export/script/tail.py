

def load(path):
    """The network with its weights; every one must be there, and no other but those of the auxiliary head."""
    network = Network()
    weights = load_file(path)
    network.load_state_dict({k: v for k, v in weights.items() if not k.startswith("auxiliary_head.")}, strict=True)
    return network.eval()


def prepared(images):
    """Bytes [N, C, H, W] as the network takes them."""
    shape = (1, INPUT_CHANNELS, 1, 1)
    mean, deviation = (torch.tensor(v, dtype=torch.float32).reshape(shape) for v in (MEAN, DEVIATION))
    return (torch.from_numpy(np.ascontiguousarray(images)).float() / 255 - mean) / deviation


def from_archive(path):
    """Bytes [N, C, H, W], and labels if there are any."""
    with np.load(path) as archive:
        images, labels = archive["images"], archive["labels"] if "labels" in archive else None
    if images.ndim == 3:
        images = images[:, None]
    if images.shape[1:] == (HEIGHT, WIDTH, INPUT_CHANNELS):
        images = images.transpose(0, 3, 1, 2)
    wanted = (INPUT_CHANNELS, HEIGHT, WIDTH)
    if images.dtype != np.uint8 or images.shape[1:] != wanted:
        raise SystemExit(f"{path}: images are {images.dtype} {images.shape[1:]}; the network takes bytes {wanted}")
    return images, labels


def from_folder(path):
    """The same of a folder with a folder for each class."""
    from PIL import Image

    folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
    # By the names of the classes, or by their numbers. A name may hold what that of a folder can't.
    known = {str(number): number for number in range(CLASSES)}
    known |= {name.replace("/", "_"): number for number, name in enumerate(CLASS_NAMES)}
    if not folders or any(folder.name not in known for folder in folders):
        wanted = ", ".join(name.replace("/", "_") for name in CLASS_NAMES) or f"0 to {CLASSES - 1}"
        raise SystemExit(f"{path}: a folder for each class is needed, of its name: {wanted}")
    numbers = [known[folder.name] for folder in folders]
    images, labels = [], []
    for folder, number in zip(folders, numbers):
        for file in sorted(file for file in folder.iterdir() if file.is_file()):
            picture = Image.open(file).convert("L" if INPUT_CHANNELS == 1 else "RGB")
            if picture.size != (WIDTH, HEIGHT):
                raise SystemExit(f"{file}: {picture.size[0]}x{picture.size[1]} pixels; the network takes {WIDTH}x{HEIGHT}")
            images.append(np.asarray(picture, np.uint8).reshape(HEIGHT, WIDTH, INPUT_CHANNELS).transpose(2, 0, 1))
            labels.append(number)
    return np.stack(images), np.array(labels)


@torch.no_grad()
def evaluate(network, images, batch, device):
    """Logits [N, classes]."""
    network = network.to(device)
    parts = [network(prepared(images[i : i + batch]).to(device)).cpu() for i in range(0, len(images), batch)]
    return torch.cat(parts)


def main():
    parser = argparse.ArgumentParser(description="evaluates a trained cell")
    parser.add_argument("weights", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--logits", type=Path, help="file for the logits, .npy")
    asked = parser.parse_args()
    images, labels = (from_folder if asked.pictures.is_dir() else from_archive)(asked.pictures)
    logits = evaluate(load(asked.weights), images, asked.batch, asked.device)
    if asked.logits:
        np.save(asked.logits, logits.numpy())
    if labels is None:
        print(f"{len(images)} pictures")
    else:
        right = (logits.argmax(dim=1).numpy() == labels).sum()
        print(f"{right / len(labels):.4f} of {len(labels)} pictures are classified rightly")


if __name__ == "__main__":
    main()
